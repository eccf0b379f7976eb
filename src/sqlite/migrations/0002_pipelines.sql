CREATE TABLE `algorithms` (
	`account` integer NOT NULL,
	`name` text NOT NULL,
	`document` text NOT NULL,
	`modified_at` integer NOT NULL,
	PRIMARY KEY(`account`, `name`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `arrivals` (
	`key` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`job` integer NOT NULL,
	`node` integer NOT NULL,
	`item` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `arrivals_node` ON `arrivals` (`job`,`node`,`key`);--> statement-breakpoint
CREATE TABLE `crons` (
	`pipeline` integer PRIMARY KEY NOT NULL,
	`pattern` text NOT NULL,
	`time_zone` text NOT NULL,
	`next_at` integer,
	`last_at` integer,
	`last_job` text,
	`last_error` text
);
--> statement-breakpoint
CREATE INDEX `crons_next` ON `crons` (`next_at`) WHERE next_at is not null;--> statement-breakpoint
CREATE TABLE `job_links` (
	`job` integer PRIMARY KEY NOT NULL,
	`parent` integer NOT NULL,
	`token` text NOT NULL,
	`awaited` integer NOT NULL,
	`todo` text
);
--> statement-breakpoint
CREATE INDEX `job_links_parent` ON `job_links` (`parent`);--> statement-breakpoint
CREATE INDEX `job_links_token` ON `job_links` (`token`);--> statement-breakpoint
CREATE INDEX `job_links_todo` ON `job_links` (`todo`,`job`) WHERE todo is not null;--> statement-breakpoint
CREATE TABLE `pipeline_versions` (
	`pipeline` integer NOT NULL,
	`version` integer NOT NULL,
	`descriptor` text NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`pipeline`, `version`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `pipelines` (
	`key` integer PRIMARY KEY NOT NULL,
	`id` text NOT NULL,
	`account` integer NOT NULL,
	`name` text NOT NULL,
	`version` integer NOT NULL,
	`description` text,
	`tags` text NOT NULL,
	`created_at` integer NOT NULL,
	`modified_at` integer NOT NULL,
	`trigger_error` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `pipelines_id_unique` ON `pipelines` (`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `pipelines_name` ON `pipelines` (`account`,`name`);--> statement-breakpoint
CREATE TABLE `triggered` (
	`key` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`account` integer NOT NULL,
	`pipeline` integer NOT NULL,
	`job` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `triggered_account` ON `triggered` (`account`);--> statement-breakpoint
CREATE INDEX `triggered_pipeline` ON `triggered` (`pipeline`);--> statement-breakpoint
CREATE TABLE `triggers` (
	`account` integer NOT NULL,
	`source` text NOT NULL,
	`pipeline` integer NOT NULL,
	PRIMARY KEY(`account`, `source`, `pipeline`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `triggers_pipeline` ON `triggers` (`pipeline`);--> statement-breakpoint
ALTER TABLE `job_nodes` ADD `kind` text DEFAULT 'algorithm' NOT NULL;--> statement-breakpoint
ALTER TABLE `job_nodes` ADD `needs` text;--> statement-breakpoint
ALTER TABLE `job_nodes` ADD `waits` text DEFAULT '[]' NOT NULL;--> statement-breakpoint
ALTER TABLE `job_nodes` ADD `fan` integer;--> statement-breakpoint
ALTER TABLE `job_nodes` ADD `scanned` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `job_nodes` ADD `kept_job` integer;--> statement-breakpoint
ALTER TABLE `job_nodes` ADD `kept_node` integer;--> statement-breakpoint
ALTER TABLE `job_nodes` ADD `kept_whole` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `job_nodes` ADD `kept` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `jobs` ADD `experiment` text DEFAULT 'main' NOT NULL;--> statement-breakpoint
ALTER TABLE `jobs` ADD `types` text DEFAULT '["raw"]' NOT NULL;--> statement-breakpoint
ALTER TABLE `jobs` ADD `parent` text;--> statement-breakpoint
ALTER TABLE `jobs` ADD `rerun_of` text;--> statement-breakpoint
ALTER TABLE `jobs` ADD `depth` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `jobs` ADD `concurrency` integer;--> statement-breakpoint
ALTER TABLE `jobs` ADD `held` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `jobs` ADD `ttl_at` integer;--> statement-breakpoint
ALTER TABLE `jobs` ADD `active_ttl_ms` integer;--> statement-breakpoint
ALTER TABLE `jobs` ADD `active_ttl_at` integer;--> statement-breakpoint
ALTER TABLE `jobs` ADD `paused_at` integer;--> statement-breakpoint
ALTER TABLE `jobs` ADD `expires_at` integer;--> statement-breakpoint
ALTER TABLE `jobs` ADD `has_children` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX `jobs_running` ON `jobs` (`account`,`pipeline`,`experiment`,`held`,`finished_at`) WHERE finished_at is null;--> statement-breakpoint
CREATE INDEX `jobs_held` ON `jobs` (`account`,`pipeline`,`experiment`,`concurrency`,`priority`) WHERE held = 1 and finished_at is null and paused_at is null;--> statement-breakpoint
CREATE INDEX `jobs_expiring` ON `jobs` (`expires_at`) WHERE expires_at is not null;--> statement-breakpoint
CREATE INDEX `jobs_parent` ON `jobs` (`parent`,`number`) WHERE parent is not null;--> statement-breakpoint
ALTER TABLE `targets` ADD `paced_until` integer;--> statement-breakpoint
CREATE INDEX `events_history` ON `events` (`job`,`position`) WHERE type in ('JOB_PENDING', 'JOB_PAUSED', 'JOB_RESUMED', 'JOB_CANCELLED');