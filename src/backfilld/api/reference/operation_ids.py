"""What each operation is called in the document: generated clients name their functions so.

A name that has been given stays, whatever becomes of the path.
"""

import re

from backfilld.api.framework.routing import Route

_NAMES = {
    "GET /docs": "get_docs",
    "GET /docs/guide": "get_guide",
    "GET /docs/guide/{page}": "get_guide_page",
    "GET /healthz": "get_health",
    "GET /metrics": "get_metrics",
    "GET /openapi.json": "get_openapi",
    "GET /readyz": "get_readiness",
    # backfills
    "POST /public-api/backfills": "create_backfill",
    "POST /public-api/backfills/preview": "preview_backfill",
    "POST /public-api/backfills/verify": "verify_filter",
    "GET /public-api/backfills": "list_backfills",
    "GET /public-api/backfills/{id}": "get_backfill",
    "PATCH /public-api/backfills/{id}": "change_backfill",
    "DELETE /public-api/backfills/{id}": "delete_backfill",
    "POST /public-api/backfills/{id}/pause": "pause_backfill",
    "POST /public-api/backfills/{id}/resume": "resume_backfill",
    "POST /public-api/backfills/{id}/cancel": "cancel_backfill",
    "POST /public-api/backfills/{id}/override": "override_windows",
    "DELETE /public-api/backfills/{id}/override": "end_override",
    "GET /public-api/backfills/{id}/clone": "clone_backfill",
    "POST /public-api/backfills/{id}/try-now": "try_now",
    "POST /public-api/backfills/{id}/rerun": "rerun_backfill",
    "POST /public-api/backfills/{id}/rerun-failed": "rerun_failed",
    "GET /public-api/backfills/{id}/entities": "list_ledger",
    "GET /public-api/backfills/{id}/entities/{entity_id}": "get_ledger_entry",
    "GET /public-api/backfills/{id}/errors": "list_errors",
    "GET /public-api/backfills/{id}/entities/{entity_id}/attributes": "get_backfill_entity_attributes",
    "GET /public-api/backfills/{id}/events": "follow_backfill",
    "GET /public-api/backfills/{id}/explain": "explain_backfill",
    "GET /public-api/backfills/{id}/progress": "list_progress",
    "GET /public-api/backfills/{id}/report": "get_report",
    "GET /public-api/backfills/{id}/timeline": "list_timeline",
    # what they are about
    "GET /public-api/entity-types": "list_entity_types",
    "GET /public-api/sources": "list_sources",
    "GET /public-api/targets": "list_targets",
    "POST /public-api/targets/try-now": "ask_target",
    "POST /public-api/sources/{type}/test": "test_source",
    "GET /public-api/engines": "list_engines",
    "GET /public-api/engines/{name}/schedules": "list_engine_schedules",
    "GET /public-api/mirrors": "list_mirrors",
    "POST /public-api/mirrors": "create_mirror",
    "DELETE /public-api/mirrors/{id}": "delete_mirror",
    "POST /public-api/engines/{name}/test": "test_engine",
    "GET /public-api/entity-types/{entity_type}/fields": "list_fields",
    "PUT /public-api/entities/{entity_type}": "store_entities",
    "GET /public-api/entities/{entity_type}": "list_entities",
    "GET /public-api/entities/{entity_type}/{id}": "get_entity",
    "DELETE /public-api/entities/{entity_type}/{id}": "delete_entity",
    "GET /public-api/workflows": "list_workflows",
    "POST /public-api/workflows": "create_workflow",
    "GET /public-api/workflows/{id}": "get_workflow",
    "PATCH /public-api/workflows/{id}": "change_workflow",
    "DELETE /public-api/workflows/{id}": "delete_workflow",
    "POST /public-api/windows/preview": "preview_windows",
    "POST /public-api/schedules/preview": "preview_schedule",
    "GET /public-api/brakes": "list_brakes",
    "POST /public-api/brakes/{name}/test": "test_brake",
    "POST /public-api/brakes/{name}/reset": "reset_brake",
    "POST /public-api/brakes/{name}/release": "release_brake",
    "GET /public-api/notifications": "list_notifications",
    "POST /public-api/notifications/{name}/test": "test_notification",
    "GET /public-api/notifications/{name}/deliveries": "list_deliveries",
    "POST /public-api/notifications/{name}/deliveries/resend": "resend_dead_deliveries",
    "POST /public-api/notifications/{name}/deliveries/{id}/resend": "resend_delivery",
    # who may, and who did
    "GET /public-api/api-keys": "list_api_keys",
    "POST /public-api/api-keys": "create_api_key",
    "DELETE /public-api/api-keys/{id}": "revoke_api_key",
    "GET /public-api/audit-log": "list_audit_log",
    "GET /public-api/system": "get_system",
    "POST /public-api/stop-all": "stop_all",
    "POST /public-api/start-all": "start_all",
    # the digdag dialect
    "GET /api/version": "digdag_get_version",
    "GET /api/version/check": "digdag_check_version",
    "GET /api/attempts": "digdag_list_attempts",
    "PUT /api/attempts": "digdag_start_attempt",
    "GET /api/attempts/{id}": "digdag_get_attempt",
    "POST /api/attempts/{id}/kill": "digdag_kill_attempt",
    "GET /api/attempts/{id}/retries": "digdag_list_retries",
    "GET /api/attempts/{id}/tasks": "digdag_list_tasks",
    "GET /api/logs/{id}/files": "digdag_list_log_files",
    "GET /api/logs/{id}/files/{name}": "digdag_get_log_file",
    "GET /api/projects": "digdag_list_projects",
    "PUT /api/projects": "digdag_push_project",
    "GET /api/projects/{id}": "digdag_get_project",
    "DELETE /api/projects/{id}": "digdag_delete_project",
    "GET /api/projects/{id}/archive": "digdag_get_archive",
    "GET /api/projects/{id}/revisions": "digdag_list_revisions",
    "GET /api/projects/{id}/schedules": "digdag_list_project_schedules",
    "GET /api/projects/{id}/secrets": "digdag_list_secrets",
    "PUT /api/projects/{id}/secrets/{key}": "digdag_set_secret",
    "DELETE /api/projects/{id}/secrets/{key}": "digdag_delete_secret",
    "GET /api/projects/{id}/sessions": "digdag_list_project_sessions",
    "GET /api/projects/{id}/workflows": "digdag_list_project_workflows",
    "GET /api/projects/{id}/workflows/{name}": "digdag_get_project_workflow",
    "GET /api/schedules": "digdag_list_schedules",
    "GET /api/schedules/{id}": "digdag_get_schedule",
    "POST /api/schedules/{id}/backfill": "digdag_backfill_schedule",
    "POST /api/schedules/{id}/disable": "digdag_disable_schedule",
    "POST /api/schedules/{id}/enable": "digdag_enable_schedule",
    "POST /api/schedules/{id}/skip": "digdag_skip_sessions",
    "GET /api/sessions": "digdag_list_sessions",
    "GET /api/sessions/{id}": "digdag_get_session",
    "GET /api/sessions/{id}/attempts": "digdag_list_session_attempts",
    "GET /api/workflows": "digdag_list_workflows",
    "GET /api/workflows/{id}": "digdag_get_workflow",
    "GET /api/workflows/{id}/truncated_session_time": "digdag_truncate_session_time",
}


def operation_id(route: Route) -> str:
    """Its chosen name; of a route without one, a name made of method and path."""
    made = re.sub(r"[^a-z0-9]+", "_", f"{route.method} {route.path}".lower()).strip("_")
    return _NAMES.get(f"{route.method} {route.path}", made)


def is_chosen(route: Route) -> bool:
    """Whether somebody gave it a name."""
    return f"{route.method} {route.path}" in _NAMES
