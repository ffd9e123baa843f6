// SPDX-License-Identifier: Apache-2.0
#include "view.hpp"

#include <algorithm>
#include <regex>

namespace baton::recovery {
namespace {

// Names come from servers: std::regex recurses for each character, so the length is limited.
constexpr std::size_t longest_name = 512;

bool found_in(const std::string& pattern, std::string_view text) {
    const std::string name(text.substr(0, longest_name));
    try {
        return std::regex_search(name, std::regex(pattern));
    } catch (const std::regex_error&) {
        return false;  // the configuration was checked; a pattern too costly matches nothing
    }
}

}  // namespace

bool contains(const std::vector<InstanceId>& ids, const InstanceId& id) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
}

void add_once(std::vector<InstanceId>& ids, const InstanceId& id) {
    if (!contains(ids, id)) {
        ids.push_back(id);
    }
}

std::string names(const std::vector<InstanceId>& ids) {
    std::string out;
    for (const auto& id : ids) {
        out += (out.empty() ? "" : ", ") + id.text();
    }
    return out.empty() ? "nobody" : out;
}

const Channel* channel_to(const Instance& instance, const InstanceId& source) {
    const auto& channels = instance.state.channels;
    const auto found = std::find_if(channels.begin(), channels.end(), [&](const Channel& channel) {
        return channel.source == source;
    });
    return found != channels.end() ? &*found : nullptr;
}

const Instance* follows(
    const Topology& topology, const Instance& replica, const InstanceId& source
) {
    constexpr unsigned longest_chain = 32;  // sources may form a ring
    const Instance* hop = &replica;
    for (unsigned count = 0; hop != nullptr && count < longest_chain; ++count) {
        const Channel* channel = channel_to(*hop, source);
        if (channel != nullptr &&
            (!writable(*hop) || channel->receiver == topology::ThreadState::running)) {
            return hop;
        }
        hop = topology.find(hop->source());
    }
    return nullptr;
}

std::optional<std::string> set_aside(const Topology& topology, const InstanceId& id) {
    if (topology.downtime(id) != nullptr) {
        return "it is downtimed";
    }
    const auto& maintenances = topology.overlay().maintenances;
    const auto found = maintenances.find(id);
    if (found != maintenances.end() && found->second.end_ms > topology.wall_ms()) {
        return "it is under maintenance";
    }
    return std::nullopt;
}

bool same_server(const Instance& instance, std::string_view uuid) {
    return uuid.empty() || instance.state.identity.uuid.empty() ||
           instance.state.identity.uuid == uuid;
}

std::string attempt_key(StepKind kind, const InstanceId& target) {
    return std::string(to_string(kind)) + " " + target.text();
}

std::string secured_key(const InstanceId& target) {
    return "secured " + target.text();
}

std::string hang_key(const InstanceId& target) {
    return "hang " + target.text();
}

std::string switched_on_key(const InstanceId& target) {
    return "semi-sync on " + target.text();
}

unsigned attempts(const Record& record, StepKind kind, const InstanceId& target) {
    const auto found = record.attempts.find(attempt_key(kind, target));
    return found != record.attempts.end() ? found->second : 0;
}

Step make_step(StepKind kind, const Instance& target, Duration limit) {
    Step step(kind, target.id);
    step.expected_uuid = target.state.identity.uuid;
    step.limit = limit;
    if (const Channel* channel = target.channel()) {
        step.channel = channel->name;
    }
    return step;
}

void keep_stopped(Step& step, const Record& record) {
    step.start = !contains(record.stopped_before, step.target);
    step.start_applier = !contains(record.appliers_stopped_before, step.target);
}

Step hook_step(std::string list, const InstanceId& target, const Policy& policy, bool essential) {
    Step step(StepKind::hook, target);
    step.hook = std::move(list);
    step.limit = policy.hook_limit;
    step.needs_lock = false;
    step.essential = essential;
    return step;
}

bool hook_ended(const Record& record, const std::string& list) {
    const auto found = record.hooks.find(list);
    return found != record.hooks.end() && found->second != "started";
}

bool hook_failed(const Record& record, const std::string& list) {
    const auto found = record.hooks.find(list);
    return found != record.hooks.end() && found->second.starts_with("failed");
}

bool host_matches(const std::vector<std::string>& patterns, const InstanceId& id) {
    return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
        return pattern == "*" || (!pattern.empty() && found_in(pattern, id.text()));
    });
}

bool cluster_matches(
    const std::vector<std::string>& patterns, std::string_view name, std::string_view alias
) {
    constexpr std::string_view exactly = "alias=";
    return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
        if (pattern == "*") {
            return true;
        }
        if (pattern.starts_with(exactly)) {
            return !alias.empty() && alias == std::string_view(pattern).substr(exactly.size());
        }
        return !pattern.empty() && (found_in(pattern, name) || found_in(pattern, alias));
    });
}

}  // namespace baton::recovery
