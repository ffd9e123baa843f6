// SPDX-License-Identifier: Apache-2.0
#include "baton/analysis/notes.hpp"

#include "baton/base/text.hpp"

#include <string_view>

namespace baton::analysis {
namespace {

using topology::Channel;
using topology::Instance;

constexpr std::size_t shown_channels = 16;
constexpr std::size_t name_limit = 100;

std::string quoted(const std::string& name) {
    return "\"" + clipped(name, name_limit) + "\"";
}

std::string channel_text(const Channel& channel) {
    return quoted(channel.name) + " from " + channel.source.text() + " (receiver " +
           std::string(topology::to_string(channel.receiver)) + ", applier " +
           std::string(topology::to_string(channel.applier)) + ")";
}

void tell_of_channels(const Instance& instance, std::vector<std::string>& out) {
    const auto& channels = instance.state.channels;
    if (channels.size() < 2) {
        return;
    }
    std::string text = "replicates by " + std::to_string(channels.size()) + " channels: ";
    for (std::size_t i = 0; i < channels.size() && i < shown_channels; ++i) {
        text += (i == 0 ? "" : ", ") + channel_text(channels[i]);
    }
    out.push_back(
        text + (channels.size() > shown_channels ? " and more" : "") + "; Baton acts upon " +
        quoted(channels.front().name) + " only, the others are shown and left alone"
    );
}

void tell_of_group(const Instance& instance, std::vector<std::string>& out) {
    const auto& group = instance.state.group;
    if (group.name.empty()) {
        return;
    }
    const auto word = [](const std::string& text) { return text.empty() ? "unknown" : text; };
    out.push_back(
        "member of the replication group " + clipped(group.name, name_limit) + " (" +
        (group.single_primary ? "one primary" : "several primaries") + "; state " +
        word(group.member_state) + ", role " + word(group.member_role) + ", " +
        std::to_string(group.members.size()) +
        " members); who is primary in it is decided by the group, Baton changes nothing there"
    );
}

}  // namespace

std::vector<std::string> notes_of(const Instance& instance, const topology::Topology& topology) {
    std::vector<std::string> out;
    if (!instance.ever_seen) {
        return out;
    }
    if (instance.state.identity.binlog_server) {
        out.emplace_back("binlog server: it keeps binary logs and no data, so it is never promoted"
        );
    }
    tell_of_group(instance, out);
    if (instance.is_co_primary) {
        const auto* partner = topology.find(instance.source());
        const bool both = partner != nullptr && partner->reachable() && instance.reachable() &&
                          !partner->state.read_only && !instance.state.read_only;
        out.push_back(
            "co-primary of " + instance.source().text() + ": each replicates from the other" +
            (both ? "; both accept writes, and conflicts are not Baton's to resolve" : "")
        );
    }
    if (const auto* channel = instance.channel(); channel != nullptr) {
        if (channel->delay_seconds > 0) {
            out.push_back(
                "replicates " + std::to_string(channel->delay_seconds) +
                " s late on purpose; it is promoted only when nobody else can be"
            );
        }
    }
    bool filtered = false;
    for (const auto& channel : instance.state.channels) {
        filtered = filtered || channel.has_filters;
    }
    if (filtered) {
        out.emplace_back("has replication filters, so it may lack data; it is never promoted");
    }
    tell_of_channels(instance, out);
    return out;
}

}  // namespace baton::analysis
