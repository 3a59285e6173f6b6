//! Tasks: in the core of 2025-11-25, and as the extension `io.modelcontextprotocol/tasks` since 2026-07-28, which
//! renamed two members and put the outcome into the task.

use super::asked::INPUT_REQUESTS;
use super::error::ERROR;
use super::grammar::{INTEGER, Kind, Member, OBJECT, Shape, Span, Tagged, V2025_11, V2026_07, kind, may, must, word};
use super::notation::MOMENT;
use super::notice::NOTICE;
use super::results::{CALLED, RESULT};

/// The key that ties a message to its task.
const RELATED_TASK: &str = "io.modelcontextprotocol/related-task";

static STATUS: Shape =
    Shape::Words(&[word("working"), word("input_required"), word("completed"), word("failed"), word("cancelled")]);
static INTEGER_OR_NULL: Shape = Shape::Either(&[&INTEGER, &Shape::Null]);

/// The members of a task.
pub(super) static TASK_MEMBERS: &[Member] = &[
    must("taskId", &Shape::Text),
    must("status", &STATUS),
    may("statusMessage", &Shape::Text),
    must("createdAt", &MOMENT),
    must("lastUpdatedAt", &MOMENT),
    must("ttl", &INTEGER_OR_NULL).until(V2025_11),
    may("pollInterval", &INTEGER).until(V2025_11),
    must("ttlMs", &INTEGER_OR_NULL).since(V2026_07),
    may("pollIntervalMs", &INTEGER).since(V2026_07),
];

/// A task.
pub(super) static TASK: Shape = Shape::Record(&[TASK_MEMBERS]);
/// `tasks/cancel` of 2025-11-25: the task.
pub(super) static CANCELLED: Shape = Shape::Record(&[RESULT, TASK_MEMBERS]);
/// `notifications/tasks/status` of 2025-11-25.
pub(super) static NOTICED: Shape = Shape::Record(&[NOTICE, TASK_MEMBERS]);

/// `tasks/result`: what the call would have given (tools alone are called as tasks), tied to its task.
pub(super) static PAYLOAD: Shape = Shape::Record(&[
    &[must("_meta", &Shape::Record(&[&[must(RELATED_TASK, &Shape::Record(&[&[must("taskId", &Shape::Text)]]))]]))],
    CALLED,
]);

static INPUT: &[Member] = &[must("inputRequests", &INPUT_REQUESTS)];
static OUTCOME: &[Member] = &[must("result", &OBJECT)];
static FAILURE: &[Member] = &[must("error", &ERROR)];

/// What more a task has is told by its status, since 2026-07-28.
const fn by_status(kinds: &'static [Kind]) -> Shape {
    Shape::Tagged(Tagged { tag: "status", span: Span::from(V2026_07), first_by_default: true, kinds })
}

/// `tasks/get`.
pub(super) static GOT: Shape = by_status(&[
    kind("working", &CANCELLED),
    kind("cancelled", &CANCELLED),
    kind("input_required", &Shape::Record(&[RESULT, TASK_MEMBERS, INPUT])),
    kind("completed", &Shape::Record(&[RESULT, TASK_MEMBERS, OUTCOME])),
    kind("failed", &Shape::Record(&[RESULT, TASK_MEMBERS, FAILURE])),
]);
/// `notifications/tasks`.
pub(super) static NOTICED_WHOLE: Shape = by_status(&[
    kind("working", &NOTICED),
    kind("cancelled", &NOTICED),
    kind("input_required", &Shape::Record(&[NOTICE, TASK_MEMBERS, INPUT])),
    kind("completed", &Shape::Record(&[NOTICE, TASK_MEMBERS, OUTCOME])),
    kind("failed", &Shape::Record(&[NOTICE, TASK_MEMBERS, FAILURE])),
]);
