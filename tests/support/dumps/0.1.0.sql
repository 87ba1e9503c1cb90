-- What version 0.1.0 left behind, made by that version itself: its daemon was started on an empty database, a project with
-- the workflows `tokyo` (zone Asia/Tokyo) and `utc` was pushed, and under stop-all sessions were started by PUT /api/attempts:
-- of tokyo at 2027-03-01T07:00:00+09:00, 0001-01-01T00:00:00Z, 9999-12-31T23:59:59Z and 2027-03-02T07:00:00+09:00, of utc at
-- 0001-01-01T00:00:00Z; the year 1 is stored as -infinity. A backfill over three tickets was created. At start-all the
-- daemon ended with OverflowError, as at every start from then on; GET /api/attempts and /api/sessions were 500.
-- Then: pg_dump --data-only --inserts --rows-per-insert=50, without comments and settings. The schema is that of the
-- migrations 0001 to 0006, which never change. To be loaded with session_replication_role = replica.
INSERT INTO public.api_keys VALUES
	('22567ade-d322-4c81-b5b6-3b114f0127f9', 'crash-test', 'admin', 'neo_sk_live_Os7Wqi', '\x738c0cf881f345c8412d4105fec67572f1c4c6d728888e8595211794e48ab383', 'test', '2026-11-28 17:11:49.517922+00', NULL, NULL, '2026-11-28 17:11:53.494986+00');
INSERT INTO public.attempt_logs VALUES
	(1, 1, '2026-11-28 17:11:53.972513+00', 'x
'),
	(4, 1, '2026-11-28 17:11:53.984687+00', 'x
');
INSERT INTO public.attempts OVERRIDING SYSTEM VALUE VALUES
	(3, 3, 1, '', 2, 3, 4, 'Asia/Tokyo', '{}', 'key:22567ade-d322-4c81-b5b6-3b114f0127f9', '2026-11-28 17:11:53.736663+00', NULL, NULL, NULL, NULL, false, NULL, NULL, '41c44506fd434a8eb523b6bb2cd2d8ab/16745-e14a2127', 1, '2026-11-28 17:11:56.962295+00', 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 2),
	(2, 2, 1, '', 2, 3, 4, 'Asia/Tokyo', '{}', 'key:22567ade-d322-4c81-b5b6-3b114f0127f9', '2026-11-28 17:11:53.710872+00', NULL, NULL, NULL, '2026-11-28 17:11:53.960441+00', false, NULL, NULL, NULL, 1, NULL, 0, 0, 0, NULL, NULL, NULL, NULL, 'definition_invalid', 'year 0 is out of range', NULL, 2),
	(1, 1, 1, '', 2, 3, 4, 'Asia/Tokyo', '{}', 'key:22567ade-d322-4c81-b5b6-3b114f0127f9', '2026-11-28 17:11:53.630522+00', NULL, '2026-11-28 17:11:53.95658+00', NULL, '2026-11-28 17:11:53.972513+00', true, NULL, NULL, NULL, 1, NULL, 1, 0, 0, NULL, 'x', NULL, NULL, NULL, NULL, NULL, 2),
	(4, 4, 1, '', 2, 3, 4, 'Asia/Tokyo', '{}', 'key:22567ade-d322-4c81-b5b6-3b114f0127f9', '2026-11-28 17:11:53.765116+00', NULL, '2026-11-28 17:11:53.978953+00', NULL, '2026-11-28 17:11:53.984687+00', true, NULL, NULL, NULL, 1, NULL, 1, 0, 0, NULL, 'x', NULL, NULL, NULL, NULL, NULL, 2),
	(5, 5, 1, '', 2, 5, 6, 'UTC', '{}', 'key:22567ade-d322-4c81-b5b6-3b114f0127f9', '2026-11-28 17:11:53.783996+00', NULL, NULL, NULL, '2026-11-28 17:11:53.984346+00', false, NULL, NULL, NULL, 1, NULL, 0, 0, 0, NULL, NULL, NULL, NULL, 'definition_invalid', 'year 0 is out of range', NULL, 2);
INSERT INTO public.audit_log OVERRIDING SYSTEM VALUE VALUES
	(1, '2026-11-28 17:11:49.517922+00', 'test', 'api_key.create', NULL, 'api_key/22567ade-d322-4c81-b5b6-3b114f0127f9', NULL, NULL, '{"name":"crash-test","role":"admin","prefix":"neo_sk_live_Os7Wqi","expires_at":null}', NULL),
	(2, '2026-11-28 17:11:53.43674+00', 'system', 'workflow.create', NULL, 'workflow/1', NULL, NULL, '{"name":"classify","executor":{"type":"http","url":"http://127.0.0.1:9/do"},"project":"default","enabled":true}', NULL),
	(3, '2026-11-28 17:11:53.546423+00', 'key:22567ade-d322-4c81-b5b6-3b114f0127f9', 'project.push', NULL, 'project/2', NULL, NULL, '{"revision":"1","archive_md5":"7qZNyUy+p16mhUAwQKpzoQ==","workflows":["tokyo","utc"],"deleted_workflows":[]}', 'fcfa8cb9-c17e-475e-9799-e244628e0ebe'),
	(4, '2026-11-28 17:11:53.600573+00', 'key:22567ade-d322-4c81-b5b6-3b114f0127f9', 'daemon.stop_all', NULL, 'daemon', 'to make the dump', '{"stopped":false}', '{"stopped":true}', '969a2905-6842-4fad-99f4-9fa7fbfd644e'),
	(5, '2026-11-28 17:11:53.630522+00', 'key:22567ade-d322-4c81-b5b6-3b114f0127f9', 'attempt.start', NULL, 'attempt/1', NULL, NULL, '{"session_time":"2027-02-28T22:00:00Z","name":"","workflow":"tokyo"}', 'ce93ba4c-cf9e-4d8f-9e64-f66a3973ebb1'),
	(6, '2026-11-28 17:11:53.710872+00', 'key:22567ade-d322-4c81-b5b6-3b114f0127f9', 'attempt.start', NULL, 'attempt/2', NULL, NULL, '{"session_time":"0001-01-01T00:00:00","name":"","workflow":"tokyo"}', '6d415f67-6809-4bbe-a61b-c2e1a43446a3'),
	(7, '2026-11-28 17:11:53.736663+00', 'key:22567ade-d322-4c81-b5b6-3b114f0127f9', 'attempt.start', NULL, 'attempt/3', NULL, NULL, '{"session_time":"9999-12-31T23:59:59Z","name":"","workflow":"tokyo"}', '5c6b42a1-11c4-41b0-9b02-d84f3d7a837c'),
	(8, '2026-11-28 17:11:53.765116+00', 'key:22567ade-d322-4c81-b5b6-3b114f0127f9', 'attempt.start', NULL, 'attempt/4', NULL, NULL, '{"session_time":"2027-03-01T22:00:00Z","name":"","workflow":"tokyo"}', 'a801aa29-126f-4ee5-a898-1867beca8701'),
	(9, '2026-11-28 17:11:53.783996+00', 'key:22567ade-d322-4c81-b5b6-3b114f0127f9', 'attempt.start', NULL, 'attempt/5', NULL, NULL, '{"session_time":"0001-01-01T00:00:00","name":"","workflow":"utc"}', '07c7be29-e806-463b-b057-236db23d9996'),
	(10, '2026-11-28 17:11:53.818455+00', 'key:22567ade-d322-4c81-b5b6-3b114f0127f9', 'backfill.create', 1, 'backfill/b9458efb-34d7-4239-8ea1-04528327cc8f', NULL, NULL, '{"workflow_id":1,"entity_type":"ticket","filter_spec":{},"windows":{"monday":[{"run_start_time":"00:00","run_end_time":"24:00"}],"tuesday":[{"run_start_time":"00:00","run_end_time":"24:00"}],"wednesday":[{"run_start_time":"00:00","run_end_time":"24:00"}],"thursday":[{"run_start_time":"00:00","run_end_time":"24:00"}],"friday":[{"run_start_time":"00:00","run_end_time":"24:00"}],"saturday":[{"run_start_time":"00:00","run_end_time":"24:00"}],"sunday":[{"run_start_time":"00:00","run_end_time":"24:00"}]},"timezone":"UTC","max_in_flight":10,"entity_ids":null,"parent_id":null}', 'd743633a-9130-40a7-920a-5946209a286a'),
	(11, '2026-11-28 17:11:53.89273+00', 'key:22567ade-d322-4c81-b5b6-3b114f0127f9', 'daemon.start_all', NULL, 'daemon', 'to make the dump', '{"stopped":true}', '{"stopped":false}', '89a68a30-3d1f-4161-8ca2-8c2b79dbbdd6'),
	(12, '2026-11-28 17:11:53.900334+00', 'system', 'backfill.status', 1, 'backfill/b9458efb-34d7-4239-8ea1-04528327cc8f', 'everything was stopped by crash-test: to make the dump', '{"status" : "planning", "status_reason" : null}', '{"status" : "planning", "status_reason" : "stopped_by_operator"}', NULL),
	(13, '2026-11-28 17:11:53.918015+00', 'system', 'backfill.status', 1, 'backfill/b9458efb-34d7-4239-8ea1-04528327cc8f', NULL, '{"status" : "planning", "status_reason" : "stopped_by_operator"}', '{"status" : "planning", "status_reason" : null}', NULL),
	(14, '2026-11-28 17:11:53.979617+00', 'system', 'backfill.status', 1, 'backfill/b9458efb-34d7-4239-8ea1-04528327cc8f', NULL, '{"status" : "planning", "status_reason" : null}', '{"status" : "running", "status_reason" : null}', NULL);
INSERT INTO public.projects OVERRIDING SYSTEM VALUE VALUES
	(1, 'default', '2026-11-28 17:11:53.43674+00', NULL, '2026-11-28 17:11:53.43674+00'),
	(2, 'ends', '2026-11-28 17:11:53.546423+00', NULL, '2026-11-28 17:11:53.546423+00');
INSERT INTO public.project_revisions OVERRIDING SYSTEM VALUE VALUES
	(1, 2, '1', '\x1f8b0800000000000203edd3c10a823018c0f19d7d8add839a620a3b04d12bd803888e1c59424ec8a2776f1574f0d24941faff187ce3bbecb2bf6b8e7db32ced418c4779491cbfa7379c2a54e1f7fed9a7eb241552890974adcb2ffe49f19f9c3d995b73365a6e5b9bafb2d77708daa23265571b1d4859e6b6ee375aaa542be54fb0705ade4d51357e797d040273d6b962e4fa7ff7afd268d87f14c5f43f6dfffb6c47f8000000000000000000000000b3f304551e28c200280000', '7qZNyUy+p16mhUAwQKpzoQ==', 'key:22567ade-d322-4c81-b5b6-3b114f0127f9', '2026-11-28 17:11:53.546423+00');
INSERT INTO public.workflows VALUES
	(1, 1, 'classify', 'config', true, 2, 1, '2026-11-28 17:11:53.43674+00', '2026-11-28 17:11:53.43674+00', NULL),
	(3, 2, 'tokyo', 'push', true, 4, 1, '2026-11-28 17:11:53.546423+00', '2026-11-28 17:11:53.546423+00', NULL),
	(5, 2, 'utc', 'push', true, 6, 1, '2026-11-28 17:11:53.546423+00', '2026-11-28 17:11:53.546423+00', NULL);
INSERT INTO public.revisions VALUES
	(2, 1, 1, '{"name":"classify","executor":{"type":"http","url":"http://127.0.0.1:9/do"},"project":"default"}', '2026-11-28 17:11:53.43674+00', NULL, NULL),
	(4, 3, 1, '{"name":"tokyo","project":"ends","executor":{"type":"echo","message":"x"},"timezone":"Asia/Tokyo","schedule":{"daily>":"07:00:00"},"max_attempts":1,"substitutes":true}', '2026-11-28 17:11:53.546423+00', 1, '{"timezone":"Asia/Tokyo","schedule":{"daily>":"07:00:00"},"+t":{"echo>":"x"}}'),
	(6, 5, 1, '{"name":"utc","project":"ends","executor":{"type":"echo","message":"x"},"timezone":"UTC","schedule":{"daily>":"07:00:00"},"max_attempts":1,"substitutes":true}', '2026-11-28 17:11:53.546423+00', 1, '{"timezone":"UTC","schedule":{"daily>":"07:00:00"},"+t":{"echo>":"x"}}');
INSERT INTO public.backfills OVERRIDING SYSTEM VALUE VALUES
	(1, 'b9458efb-34d7-4239-8ea1-04528327cc8f', 'entities', NULL, NULL, 1, 2, 'ticket', '{}', '{"match_all":true}', NULL, '{"monday":[{"run_start_time":"00:00","run_end_time":"24:00"}],"tuesday":[{"run_start_time":"00:00","run_end_time":"24:00"}],"wednesday":[{"run_start_time":"00:00","run_end_time":"24:00"}],"thursday":[{"run_start_time":"00:00","run_end_time":"24:00"}],"friday":[{"run_start_time":"00:00","run_end_time":"24:00"}],"saturday":[{"run_start_time":"00:00","run_end_time":"24:00"}],"sunday":[{"run_start_time":"00:00","run_end_time":"24:00"}]}', 'UTC', '{}', 10, 3, 'source', 'completed', 'now', NULL, false, '{}', NULL, NULL, NULL, 0, true, 'key:22567ade-d322-4c81-b5b6-3b114f0127f9', '2026-11-28 17:11:53.818455+00', '2026-11-28 17:11:53.979617+00', NULL, NULL, 4, 'running', NULL, NULL, NULL, NULL, '2026-11-28 17:11:53.979617+00', NULL, NULL, false, NULL, NULL, NULL, NULL, false, 0);
INSERT INTO public.backfill_progress VALUES
	(1, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, false, NULL, NULL, 0, NULL, NULL);
INSERT INTO public.entities VALUES
	('ticket', 'T1', '{"subject": "about T1"}', NULL, '2026-11-28 17:11:53.494495+00'),
	('ticket', 'T2', '{"subject": "about T2"}', NULL, '2026-11-28 17:11:53.494495+00'),
	('ticket', 'T3', '{"subject": "about T3"}', NULL, '2026-11-28 17:11:53.494495+00');
INSERT INTO public.entity_types VALUES
	('ticket', '{}', '2026-11-28 17:11:53.494495+00', 3);
INSERT INTO public.leases VALUES
	(1, '41c44506fd434a8eb523b6bb2cd2d8ab/16745-e14a2127', 1, '2026-11-28 17:11:56.857039+00', false, false, 3, 0, 2);
INSERT INTO public.plan_items VALUES
	(1, 0, 'T1', NULL),
	(1, 1, 'T2', NULL),
	(1, 2, 'T3', NULL);
INSERT INTO public.schedules OVERRIDING SYSTEM VALUE VALUES
	(1, 3, '2026-11-28 15:00:00+00', '2026-11-28 22:00:00+00', NULL, NULL, NULL, '2026-11-28 17:11:53.546423+00', '2026-11-28 17:11:53.546423+00'),
	(2, 5, '2026-11-29 00:00:00+00', '2026-11-29 07:00:00+00', NULL, NULL, NULL, '2026-11-28 17:11:53.546423+00', '2026-11-28 17:11:53.546423+00');
INSERT INTO public.schema_migration VALUES
	(1, 'entity_backfills', 'be7c2a888dfc0e4b0974b87cde8988359cab65fad8124246a162ba0ce1f6716b', '2026-11-28 17:11:49.374799+00'),
	(2, 'stop_all', '065b92c40f78269ba78f23a9b0c7830d4a5a1eb542ef3c00c1a6a83c757e3332', '2026-11-28 17:11:49.453981+00'),
	(3, 'timeline', 'f874ab3463cff3be23e3edfcfc6b20abaf8f669b82b7bae62b3fdea03b86ffc4', '2026-11-28 17:11:49.460692+00'),
	(4, 'schedules', '5e4a436b302f7dbd8b5e08aa1c96541c7885f4140d25d3678286a39b3e57ff52', '2026-11-28 17:11:49.461325+00'),
	(5, 'live_attempts', '6219454890090867ce5d4b7e30ea3149b605bd5575e2dbc94e07b75ecf5ff85d', '2026-11-28 17:11:49.492194+00'),
	(6, 'pushed_documents', '42fe4d1864c232dc45e91bf7180619edbedfc178596ada4a158f8bb55eae759c', '2026-11-28 17:11:49.496469+00');
INSERT INTO public.sessions OVERRIDING SYSTEM VALUE VALUES
	(1, 'e389bfbc-016f-444a-aba3-3242d5beefdb', 2, 3, '2027-02-28 22:00:00+00', 1, '2026-11-28 17:11:53.630522+00'),
	(2, '02a2ac9f-1ab0-4430-98a8-cd37eee9dc70', 2, 3, '-infinity', 1, '2026-11-28 17:11:53.710872+00'),
	(3, 'dc7daa9b-62d0-4c2d-a8a6-80dc1d2fe028', 2, 3, '9999-12-31 23:59:59+00', 1, '2026-11-28 17:11:53.736663+00'),
	(4, '14c1f716-754f-45dd-8bcd-e761b6e6349c', 2, 3, '2027-03-01 22:00:00+00', 1, '2026-11-28 17:11:53.765116+00'),
	(5, 'b20a36c1-083a-40e2-addd-43f9de0af188', 2, 5, '-infinity', 1, '2026-11-28 17:11:53.783996+00');
INSERT INTO public.stop_order VALUES
	(true, 2, false, 'crash-test', 'to make the dump', '2026-11-28 17:11:53.89273+00');
SELECT pg_catalog.setval('public.attempts_id_seq', 5, true);
SELECT pg_catalog.setval('public.audit_log_id_seq', 14, true);
SELECT pg_catalog.setval('public.backfills_no_seq', 1, true);
SELECT pg_catalog.setval('public.project_revisions_id_seq', 1, true);
SELECT pg_catalog.setval('public.projects_id_seq', 4, true);
SELECT pg_catalog.setval('public.schedules_id_seq', 2, true);
SELECT pg_catalog.setval('public.sessions_id_seq', 5, true);
SELECT pg_catalog.setval('public.workflow_ids', 6, true);
