ALTER TABLE `accounts` ADD `max_requests_per_second` integer;--> statement-breakpoint
ALTER TABLE `accounts` ADD `max_sockets` integer;--> statement-breakpoint
ALTER TABLE `accounts` ADD `max_running_jobs` integer;--> statement-breakpoint
ALTER TABLE `accounts` ADD `max_stored_bytes` integer;--> statement-breakpoint
ALTER TABLE `accounts` ADD `running_jobs` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `accounts` ADD `stored_bytes` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `api_keys` ADD `revoked_at` integer;--> statement-breakpoint
ALTER TABLE `api_keys` ADD `max_requests_per_second` integer;--> statement-breakpoint
ALTER TABLE `api_keys` ADD `max_sockets` integer;--> statement-breakpoint
UPDATE `accounts` SET
	`running_jobs` = (SELECT count(*) FROM `jobs` WHERE `account` = `accounts`.`key` AND `status` NOT IN ('COMPLETED', 'FAILED', 'CANCELLED')),
	`stored_bytes` =
		(SELECT ifnull(sum(octet_length(`descriptor`) + ifnull(octet_length(`flow_input`), 0)), 0) FROM `job_inputs` JOIN `jobs` ON `jobs`.`key` = `job` WHERE `account` = `accounts`.`key`) +
		(SELECT ifnull(sum(octet_length(`input`) + ifnull(octet_length(`extra_data`), 0)), 0) FROM `node_inputs` JOIN `jobs` ON `jobs`.`key` = `job` WHERE `account` = `accounts`.`key`) +
		(SELECT ifnull(sum(octet_length(`value`)), 0) FROM `task_items` JOIN `jobs` ON `jobs`.`key` = `job` WHERE `account` = `accounts`.`key`) +
		(SELECT ifnull(sum(octet_length(`value`)), 0) FROM `task_results` JOIN `jobs` ON `jobs`.`key` = `job` WHERE `account` = `accounts`.`key`) +
		(SELECT ifnull(sum(octet_length(`body`)), 0) FROM `delivery_bodies` JOIN `deliveries` ON `deliveries`.`key` = `delivery` WHERE `account` = `accounts`.`key`) +
		(SELECT ifnull(sum(octet_length(`facts`)), 0) FROM `events` WHERE `account` = `accounts`.`key`);