// SPDX-License-Identifier: Apache-2.0
#include "topology_text.hpp"

#include "instance_facts.hpp"

#include "baton/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace baton::api {

namespace {

using topology::Instance;

/// Control characters and blanks in what a server calls itself would break the line structure.
std::string one_word(std::string_view text) {
    std::string result = valid_utf8(text);
    std::replace_if(
        result.begin(),
        result.end(),
        [](char c) { return (c >= 0 && c <= ' ') || c == '\x7f' || c == '|'; },
        '_'
    );
    return result;
}

std::string lag_of(const Instance& instance, const Freshness& freshness) {
    if (instance.is_replica() && instance.source().host.starts_with("//")) {
        return "detached";
    }
    if (!freshness.valid || !freshness.recently_checked) {
        return "unknown";
    }
    if (!instance.is_replica()) {
        return "0s";
    }
    if (!instance.channel()->replicating() || !instance.lag_seconds()) {
        return "null";
    }
    return fmt::format("{}s", *instance.lag_seconds());
}

std::string status_of(const Instance& instance, const Freshness& freshness, const Moment& moment) {
    if (!freshness.valid) {
        return "invalid";
    }
    if (!freshness.recently_checked) {
        return "unchecked";
    }
    if (instance.is_replica() && !instance.channel()->replicating()) {
        return "nonreplicating";
    }
    return instance.lag_seconds().value_or(0) > lag_limit_seconds(instance.cluster_id, moment)
               ? "lag"
               : "ok";
}

std::string extras_of(const Instance& instance, const Moment& moment) {
    const auto& identity = instance.state.identity;
    const auto* const channel = instance.channel();
    std::vector<std::string> extras;
    if (identity.log_bin && identity.log_replica_updates) {
        extras.emplace_back(">>");
    }
    if (identity.gtid_mode == "ON" || (channel != nullptr && channel->uses_gtid())) {
        extras.emplace_back(instance.errant_gtid.empty() ? "GTID" : "GTID:errant");
    }
    if (instance.state.semi_sync.source_enabled) {
        extras.emplace_back("semi:master");
    }
    if (instance.state.semi_sync.replica_enabled) {
        extras.emplace_back("semi:replica");
    }
    if (moment.view->topology->downtime(instance.id) != nullptr) {
        extras.emplace_back("downtimed");
    }
    return join(extras, ",");
}

/// lag, status, version, rw, format, extras.
std::vector<std::string> tokens_of(const Instance& instance, const Moment& moment) {
    const auto freshness = freshness_of(instance, moment);
    const auto& identity = instance.state.identity;
    return {
        lag_of(instance, freshness),
        status_of(instance, freshness, moment),
        one_word(identity.version),
        instance.state.read_only || instance.state.super_read_only ? "ro" : "rw",
        identity.log_bin ? one_word(identity.binlog_format) : "nobinlog",
        extras_of(instance, moment),
    };
}

struct Line {
    std::string entry;
    const Instance* instance = nullptr;
};

/// Draws the trees of a cluster. A server is drawn once, so that circles (co-primaries) end.
class Drawing {
public:
    Drawing(const topology::Cluster& cluster, const Moment& moment)
        : topology_(*moment.view->topology), moment_(moment) {
        for (const auto* member : topology_.members(cluster)) {
            members_.push_back(member);
            ids_.insert(member->id);
        }
        std::vector<const Instance*> roots;
        for (const auto* member : members_) {
            if (!member->is_replica() || ids_.count(member->source()) == 0) {
                roots.push_back(member);
            }
        }
        for (const auto* root : roots) {
            draw(*root, 0);
        }
        // Left are circles: each co-primary begins a branch of its own.
        for (const auto* member : members_) {
            if (drawn_.count(member->id) == 0 && member->is_co_primary) {
                draw(*member, 1);
            }
        }
        for (const auto* member : members_) {
            draw(*member, 1);
        }
    }

    [[nodiscard]] const std::vector<Line>& lines() const { return lines_; }

private:
    void draw(const Instance& instance, unsigned depth) {
        if (!drawn_.insert(instance.id).second) {
            return;
        }
        std::string prefix;
        if (depth > 0) {
            prefix = std::string(2 * (depth - 1), ' ') + marker_of(instance);
        }
        auto entry = prefix + one_word(instance.id.text());
        if (!instance.state.identity.alias.empty()) {
            entry += " (" + one_word(instance.state.identity.alias) + ")";
        }
        lines_.push_back(Line{std::move(entry), &instance});
        for (const auto* replica : topology_.replicas_of(instance.id)) {
            const bool other_branch = replica->is_co_primary;
            if (ids_.count(replica->id) > 0 && !other_branch) {
                draw(*replica, depth + 1);
            }
        }
    }

    [[nodiscard]] std::string marker_of(const Instance& instance) const {
        if (instance.state.group.member_role == "SECONDARY") {
            return "\xe2\x80\xa1 ";
        }
        const auto freshness = freshness_of(instance, moment_);
        const bool replicates = instance.is_replica() && instance.channel()->replicating();
        return replicates && freshness.valid && freshness.recently_checked ? "+ " : "- ";
    }

    const topology::Topology& topology_;
    Moment moment_;
    std::vector<const Instance*> members_;
    std::set<InstanceId> ids_, drawn_;
    std::vector<Line> lines_;
};

/// Characters, not bytes.
std::size_t width(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xC0U) != 0x80;
    }));
}

std::string filled(std::string text, std::size_t to_width) {
    const auto present = width(text);
    return present < to_width ? text + std::string(to_width - present, ' ') : text;
}

std::string tags_of(const InstanceId& id, const topology::Topology& topology) {
    std::vector<std::string> tags;
    if (const auto found = topology.overlay().tags.find(id);
        found != topology.overlay().tags.end()) {
        for (const auto& [name, value] : found->second) {
            tags.push_back(name + "=" + value);
        }
    }
    return "[" + join(tags, ",") + "]";
}

std::string tabulated(const std::vector<Line>& lines, const Moment& moment) {
    std::vector<std::vector<std::string>> rows;
    std::vector<std::size_t> widths;
    for (const auto& line : lines) {
        std::vector<std::string> row{line.entry};
        for (auto& token : tokens_of(*line.instance, moment)) {
            row.push_back(std::move(token));
        }
        widths.resize(row.size());
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths[i] = std::max(widths[i], width(row[i]));
        }
        rows.push_back(std::move(row));
    }
    std::vector<std::string> result;
    for (auto& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            row[i] = filled(std::move(row[i]), widths[i]);
        }
        result.push_back(join(row, "|"));
    }
    return join(result, "\n");
}

}  // namespace

std::string topology_text(
    const topology::Cluster& cluster, const Moment& moment, TopologyStyle style
) {
    const Drawing drawing(cluster, moment);
    if (style == TopologyStyle::tabulated) {
        return tabulated(drawing.lines(), moment);
    }
    std::size_t longest = 0;
    for (const auto& line : drawing.lines()) {
        longest = std::max(longest, width(line.entry));
    }
    std::vector<std::string> result;
    for (const auto& line : drawing.lines()) {
        auto tokens = tokens_of(*line.instance, moment);
        if (tokens.back().empty()) {
            tokens.pop_back();
        }
        auto text = filled(line.entry, longest) + " [" + join(tokens, ",") + "]";
        if (style == TopologyStyle::tags) {
            text += " " + tags_of(line.instance->id, *moment.view->topology);
        }
        result.push_back(std::move(text));
    }
    return join(result, "\n");
}

}  // namespace baton::api
