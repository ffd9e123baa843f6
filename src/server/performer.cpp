// SPDX-License-Identifier: Apache-2.0
#include "performer.hpp"

#include "baton/base/text.hpp"

#include <fmt/format.h>

namespace baton::server {

using recovery::Step;
using recovery::StepKind;

ServerPerformer::ServerPerformer(Common& common, std::string lock_name)
    : common_(common), lock_name_(std::move(lock_name)) {}

Task<StepResult> ServerPerformer::perform(Step step, Deadline deadline) {
    if (step.kind == StepKind::hook) {
        co_return fail(Errc::invalid_argument, "a hook is not performed on a server");
    }
    if (!common_.may_act()) {
        co_return fail(Errc::not_leader, "this node may not act any more");
    }
    co_return co_await on_target(std::move(step), deadline);
}

/// The session on the server, open, with the lock when that is wanted, and on the server that is
/// meant.
Task<Result<std::shared_ptr<Target>>> ServerPerformer::ready(
    InstanceId id, std::string expected_uuid, bool with_lock, Deadline deadline
) {
    auto& slot = targets_[id];
    if (slot == nullptr) {
        slot = std::make_shared<Target>(common_, id);
    }
    const std::shared_ptr<Target> target = slot;  // the map may change while we wait
    const bool wants_lock = with_lock && !lock_name_.empty();
    const bool usable = co_await target->session.is_usable();
    if (!usable || (wants_lock && !target->prepared)) {
        std::string lock = wants_lock ? lock_name_ : std::string{};
        const Result<void> opened = co_await target->session.open(std::move(lock), deadline);
        if (!opened) {
            co_return opened.error();
        }
        target->prepared = wants_lock;
    }
    const std::string& uuid = target->session.identity().uuid;
    if (!expected_uuid.empty() && !equal_ignoring_case(expected_uuid, uuid)) {
        co_return fail(
            Errc::refused,
            fmt::format(
                "{}: another server answers there: {} instead of {}",
                id.text(),
                clipped(uuid, 100),
                expected_uuid
            )
        );
    }
    co_return target;
}

Task<StepResult> ServerPerformer::on_target(Step step, Deadline deadline) {
    Result<std::shared_ptr<Target>> found =
        co_await ready(step.target, step.expected_uuid, step.needs_lock, deadline);
    if (!found) {
        co_return found.error();
    }
    const std::shared_ptr<Target> target = *found;
    std::shared_ptr<Target> guard;
    if (!step.guard.empty()) {
        Result<std::shared_ptr<Target>> guarding =
            co_await ready(step.guard, step.guard_uuid, step.needs_lock, deadline);
        if (!guarding) {
            co_return guarding.error();
        }
        guard = *guarding;
    }
    switch (step.kind) {
        case StepKind::stop_receiver:
            co_return co_await stop_receiver(target, std::move(step), deadline);
        case StepKind::start_replication:
            co_return co_await start_replication(target, std::move(step), deadline);
        case StepKind::wait_applied:
            co_return co_await wait_applied(target, std::move(step), deadline);
        case StepKind::promote:
            co_return co_await promote(target, guard, std::move(step), deadline);
        case StepKind::repoint:
            if (step.former_primary) {
                co_return co_await become_replica(target, secret_, std::move(step), deadline);
            }
            co_return co_await repoint(target, std::move(step), deadline);
        case StepKind::set_read_only:
            co_return co_await set_read_only(target, std::move(step), deadline);
        case StepKind::set_writable:
            co_return co_await set_writable(target, std::move(step), deadline);
        case StepKind::witness:
            co_return co_await witness(target, std::move(step), deadline);
        case StepKind::read_credentials:
            co_return co_await read_credentials(target, secret_, std::move(step), deadline);
        case StepKind::clone:
            co_return co_await clone(target, std::move(step), deadline);
        case StepKind::set_semi_sync:
            co_return co_await set_semi_sync(target, std::move(step), deadline);
        case StepKind::hook:
            break;
    }
    co_return fail(Errc::invalid_argument, "unknown step");
}

Task<void> ServerPerformer::close() {
    // The end of a session releases its lock.
    for (auto& [id, target] : targets_) {
        target->session.close();
    }
    targets_.clear();
    co_return;
}

}  // namespace baton::server
