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

Task<StepResult> ServerPerformer::on_target(Step step, Deadline deadline) {
    auto& slot = targets_[step.target];
    if (slot == nullptr) {
        slot = std::make_shared<Target>(common_, step.target);
    }
    const std::shared_ptr<Target> target = slot;  // the map may change while we wait
    const bool wants_lock = step.needs_lock && !lock_name_.empty();
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
    if (!step.expected_uuid.empty() && !equal_ignoring_case(step.expected_uuid, uuid)) {
        co_return fail(
            Errc::refused,
            fmt::format(
                "{}: another server answers there: {} instead of {}",
                step.target.text(),
                clipped(uuid, 100),
                step.expected_uuid
            )
        );
    }
    switch (step.kind) {
        case StepKind::stop_receiver:
            co_return co_await stop_receiver(target, std::move(step), deadline);
        case StepKind::start_replication:
            co_return co_await start_replication(target, std::move(step), deadline);
        case StepKind::wait_applied:
            co_return co_await wait_applied(target, std::move(step), deadline);
        case StepKind::promote:
            co_return co_await promote(target, std::move(step), deadline);
        case StepKind::repoint:
            co_return co_await repoint(target, std::move(step), deadline);
        case StepKind::set_read_only:
            co_return co_await set_read_only(target, std::move(step), deadline);
        case StepKind::set_writable:
            co_return co_await set_writable(target, std::move(step), deadline);
        case StepKind::witness:
            co_return co_await witness(target, std::move(step), deadline);
        case StepKind::read_credentials:
        case StepKind::clone:
        case StepKind::set_semi_sync:
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
