CREATE TABLE `accounts` (
	`key` integer PRIMARY KEY NOT NULL,
	`id` text NOT NULL,
	`name` text NOT NULL,
	`head` integer DEFAULT 0 NOT NULL,
	`tail` integer DEFAULT 0 NOT NULL,
	`jobs` integer DEFAULT 0 NOT NULL,
	`webhook_secret` text NOT NULL,
	`default_webhook_url` text,
	`default_webhook_url_key` text,
	`default_webhook_format` text DEFAULT 'STANDARD' NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `accounts_id_unique` ON `accounts` (`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `accounts_name_unique` ON `accounts` (`name`);--> statement-breakpoint
CREATE TABLE `api_keys` (
	`key` integer PRIMARY KEY NOT NULL,
	`id` text NOT NULL,
	`account` integer NOT NULL,
	`name` text NOT NULL,
	`prefix` text NOT NULL,
	`hash` text NOT NULL,
	`scopes` text NOT NULL,
	`expires_at` integer,
	`last_used_at` integer,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `api_keys_id_unique` ON `api_keys` (`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `api_keys_hash_unique` ON `api_keys` (`hash`);--> statement-breakpoint
CREATE INDEX `api_keys_account` ON `api_keys` (`account`,`key`);--> statement-breakpoint
CREATE TABLE `attempts` (
	`delivery` integer NOT NULL,
	`number` integer NOT NULL,
	`started_at` integer NOT NULL,
	`duration_ms` integer NOT NULL,
	`outcome` text NOT NULL,
	`status_code` integer,
	`response_snippet` text,
	`request_headers` text NOT NULL,
	PRIMARY KEY(`delivery`, `number`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `deliveries` (
	`key` integer PRIMARY KEY NOT NULL,
	`id` text NOT NULL,
	`account` integer NOT NULL,
	`target` integer NOT NULL,
	`job` integer,
	`position` integer NOT NULL,
	`type` text NOT NULL,
	`part` text NOT NULL,
	`class` text NOT NULL,
	`subject` text NOT NULL,
	`status` text NOT NULL,
	`lane` integer,
	`attempts` integer DEFAULT 0 NOT NULL,
	`tries` integer DEFAULT 0 NOT NULL,
	`since` integer NOT NULL,
	`next_attempt_at` integer,
	`body_bytes` integer,
	`body_sha256` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `deliveries_id_unique` ON `deliveries` (`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `deliveries_once` ON `deliveries` (`target`,`position`,`part`);--> statement-breakpoint
CREATE INDEX `deliveries_lane` ON `deliveries` (`lane`,`key`) WHERE lane is not null;--> statement-breakpoint
CREATE INDEX `deliveries_progress` ON `deliveries` (`lane`,`subject`) WHERE lane is not null and class = 'PROGRESS';--> statement-breakpoint
CREATE INDEX `deliveries_open` ON `deliveries` (`target`) WHERE lane is not null;--> statement-breakpoint
CREATE INDEX `deliveries_account` ON `deliveries` (`account`,`key`);--> statement-breakpoint
CREATE INDEX `deliveries_job` ON `deliveries` (`job`,`key`) WHERE job is not null;--> statement-breakpoint
CREATE TABLE `delivery_bodies` (
	`delivery` integer PRIMARY KEY NOT NULL,
	`body` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `events` (
	`account` integer NOT NULL,
	`position` integer NOT NULL,
	`job` integer,
	`sequence` integer,
	`type` text NOT NULL,
	`occurred_at` integer NOT NULL,
	`facts` text NOT NULL,
	PRIMARY KEY(`account`, `position`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `events_job` ON `events` (`job`,`position`) WHERE job is not null;--> statement-breakpoint
CREATE TABLE `idempotency_keys` (
	`account` integer NOT NULL,
	`operation` text NOT NULL,
	`key` text NOT NULL,
	`hash` text NOT NULL,
	`job` integer NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`account`, `operation`, `key`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `idempotency_age` ON `idempotency_keys` (`created_at`);--> statement-breakpoint
CREATE TABLE `job_inputs` (
	`job` integer PRIMARY KEY NOT NULL,
	`descriptor` text NOT NULL,
	`flow_input` text
);
--> statement-breakpoint
CREATE TABLE `job_nodes` (
	`job` integer NOT NULL,
	`node` integer NOT NULL,
	`name` text NOT NULL,
	`algorithm` text NOT NULL,
	`queue` text NOT NULL,
	`batch` integer NOT NULL,
	`parents` text NOT NULL,
	`retry_policy` text NOT NULL,
	`retry_limit` integer NOT NULL,
	`timeout_ms` integer,
	`in_results` integer NOT NULL,
	`status` text NOT NULL,
	`total` integer,
	`expanded` integer NOT NULL,
	`succeeded` integer NOT NULL,
	`failed` integer NOT NULL,
	`active` integer NOT NULL,
	`result_bytes` integer DEFAULT 0 NOT NULL,
	`expanding` integer NOT NULL,
	PRIMARY KEY(`job`, `node`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `job_nodes_expanding` ON `job_nodes` (`job`,`node`) WHERE expanding = 1;--> statement-breakpoint
CREATE TABLE `jobs` (
	`key` integer PRIMARY KEY NOT NULL,
	`uuid` text NOT NULL,
	`account` integer NOT NULL,
	`number` integer NOT NULL,
	`run` integer NOT NULL,
	`pipeline` text NOT NULL,
	`external_id` text,
	`tags` text NOT NULL,
	`status` text NOT NULL,
	`reason` text,
	`error` text,
	`priority` integer NOT NULL,
	`progress` text NOT NULL,
	`batch_tolerance` integer NOT NULL,
	`sequence` integer DEFAULT 0 NOT NULL,
	`position` integer DEFAULT 0 NOT NULL,
	`targets` integer DEFAULT 0 NOT NULL,
	`created_at` integer NOT NULL,
	`started_at` integer,
	`finished_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `jobs_uuid_unique` ON `jobs` (`uuid`);--> statement-breakpoint
CREATE UNIQUE INDEX `jobs_number` ON `jobs` (`account`,`number`);--> statement-breakpoint
CREATE INDEX `jobs_pipeline` ON `jobs` (`account`,`pipeline`,`number`);--> statement-breakpoint
CREATE INDEX `jobs_external` ON `jobs` (`account`,`external_id`) WHERE external_id is not null;--> statement-breakpoint
CREATE TABLE `lanes` (
	`key` integer PRIMARY KEY NOT NULL,
	`target` integer NOT NULL,
	`job` integer NOT NULL,
	`solo` integer NOT NULL,
	`url` integer NOT NULL,
	`head` integer NOT NULL,
	`value` integer NOT NULL,
	`due_at` integer,
	`held_since` integer,
	`waits_for` integer,
	`token` text,
	`lease_expires_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `lanes_place` ON `lanes` (`target`,`job`,`solo`);--> statement-breakpoint
CREATE INDEX `lanes_url` ON `lanes` (`url`);--> statement-breakpoint
CREATE INDEX `lanes_due` ON `lanes` (`url`,`due_at`) WHERE due_at is not null and token is null;--> statement-breakpoint
CREATE INDEX `lanes_leased` ON `lanes` (`url`,`lease_expires_at`) WHERE token is not null;--> statement-breakpoint
CREATE INDEX `lanes_waiting` ON `lanes` (`waits_for`) WHERE waits_for is not null;--> statement-breakpoint
CREATE TABLE `node_inputs` (
	`job` integer NOT NULL,
	`node` integer NOT NULL,
	`input` text NOT NULL,
	`operation` text NOT NULL,
	`extra_data` text,
	PRIMARY KEY(`job`, `node`)
);
--> statement-breakpoint
CREATE TABLE `pipeline_runs` (
	`account` integer NOT NULL,
	`name` text NOT NULL,
	`runs` integer NOT NULL,
	PRIMARY KEY(`account`, `name`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `ready_accounts` (
	`queue` text NOT NULL,
	`rank` integer NOT NULL,
	`account` integer NOT NULL,
	`turn` integer NOT NULL,
	PRIMARY KEY(`queue`, `rank`, `account`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `ready_accounts_turn` ON `ready_accounts` (`queue`,`rank`,`turn`);--> statement-breakpoint
CREATE TABLE `ready_jobs` (
	`queue` text NOT NULL,
	`job` integer NOT NULL,
	`account` integer NOT NULL,
	`rank` integer NOT NULL,
	`turn` integer NOT NULL,
	`since` integer NOT NULL,
	PRIMARY KEY(`queue`, `job`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `ready_jobs_turn` ON `ready_jobs` (`queue`,`rank`,`account`,`turn`);--> statement-breakpoint
CREATE INDEX `ready_jobs_since` ON `ready_jobs` (`since`);--> statement-breakpoint
CREATE INDEX `ready_jobs_job` ON `ready_jobs` (`job`);--> statement-breakpoint
CREATE TABLE `targets` (
	`key` integer PRIMARY KEY NOT NULL,
	`id` text,
	`account` integer NOT NULL,
	`source` text NOT NULL,
	`job` integer,
	`lane_of` integer,
	`url` text NOT NULL,
	`url_key` text NOT NULL,
	`format` text NOT NULL,
	`verbosity` text DEFAULT 'info' NOT NULL,
	`events` text DEFAULT '[]' NOT NULL,
	`pipelines` text DEFAULT '[]' NOT NULL,
	`description` text,
	`headers` text DEFAULT '[]' NOT NULL,
	`secret` text,
	`timeout_ms` integer NOT NULL,
	`max_per_second` integer,
	`enabled` integer DEFAULT 1 NOT NULL,
	`status_reason` text,
	`consecutive_failures` integer DEFAULT 0 NOT NULL,
	`created_at` integer NOT NULL,
	`deleted_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `targets_id_unique` ON `targets` (`id`);--> statement-breakpoint
CREATE INDEX `targets_registered` ON `targets` (`account`,`key`) WHERE source = 'REGISTERED' and deleted_at is null;--> statement-breakpoint
CREATE INDEX `targets_job` ON `targets` (`job`) WHERE job is not null;--> statement-breakpoint
CREATE INDEX `targets_default` ON `targets` (`account`) WHERE source = 'ACCOUNT_DEFAULT';--> statement-breakpoint
CREATE TABLE `task_items` (
	`job` integer NOT NULL,
	`node` integer NOT NULL,
	`item` integer NOT NULL,
	`value` text NOT NULL,
	PRIMARY KEY(`job`, `node`, `item`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `task_results` (
	`job` integer NOT NULL,
	`node` integer NOT NULL,
	`item` integer NOT NULL,
	`value` text NOT NULL,
	PRIMARY KEY(`job`, `node`, `item`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `tasks` (
	`job` integer NOT NULL,
	`node` integer NOT NULL,
	`item` integer NOT NULL,
	`queue` text NOT NULL,
	`status` text NOT NULL,
	`attempt` integer DEFAULT 0 NOT NULL,
	`lost` integer DEFAULT 0 NOT NULL,
	`token` text,
	`worker` text,
	`lease_expires_at` integer,
	`retry_at` integer,
	`percent` real,
	`error` text,
	`queued_at` integer NOT NULL,
	`started_at` integer,
	`finished_at` integer,
	PRIMARY KEY(`job`, `node`, `item`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `tasks_ready` ON `tasks` (`job`,`queue`,`node`,`item`) WHERE status = 'READY' and token is null;--> statement-breakpoint
CREATE INDEX `tasks_leased` ON `tasks` (`lease_expires_at`) WHERE token is not null;--> statement-breakpoint
CREATE INDEX `tasks_leased_job` ON `tasks` (`job`) WHERE token is not null;--> statement-breakpoint
CREATE INDEX `tasks_retry` ON `tasks` (`retry_at`) WHERE status = 'WAITING';--> statement-breakpoint
CREATE TABLE `urls` (
	`key` integer PRIMARY KEY NOT NULL,
	`account` integer NOT NULL,
	`url_key` text NOT NULL,
	`cooling_until` integer,
	`probing` integer DEFAULT 0 NOT NULL,
	`due_at` integer,
	`turn` integer DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `urls_key` ON `urls` (`account`,`url_key`);--> statement-breakpoint
CREATE INDEX `urls_due` ON `urls` (`due_at`) WHERE due_at is not null;