// SPDX-License-Identifier: Apache-2.0

// Analysis, failure detections and recoveries, in orchestrator's forms.

#include "json_analysis.hpp"
#include "json_instance.hpp"
#include "json_recovery.hpp"
#include "lookup.hpp"
#include "paging.hpp"
#include "reply.hpp"
#include "route.hpp"

#include "baton/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

namespace baton::api {

namespace {

using RecoveryPtr = std::shared_ptr<const control::RecoveryView>;
using DetectionPtr = std::shared_ptr<const control::Detection>;

// ---- analysis

template <class Predicate>
http::Response analyses(const Call& call, std::string_view message, Predicate wanted) {
    const auto status = call.commands->status();
    JsonWriter json;
    json.begin_array();
    for (const auto& finding : call.view->findings) {
        if (wanted(finding)) {
            write_analysis(json, finding, call.moment(), status.active_name, status.active_token);
        }
    }
    json.end_array();
    return ok(message, json.text());
}

http::Response replication_analysis(const Call& call) {
    return analyses(call, "Analysis", [](const analysis::Finding&) { return true; });
}

http::Response replication_analysis_cluster(const Call& call) {
    const auto cluster = find_cluster(call, call.parameter(0));
    if (!cluster) {
        return failure(cluster.error());
    }
    return analyses(call, "Analysis", [&](const analysis::Finding& finding) {
        return finding.cluster_id == (*cluster)->id;
    });
}

http::Response replication_analysis_instance(const Call& call) {
    const auto id = resolved_instance_id(call, 0);
    if (!id) {
        return failure(id.error());
    }
    return analyses(call, "Analysis", [&](const analysis::Finding& finding) {
        return finding.subject == *id;
    });
}

http::Response changelog(const Call& call) {
    std::map<InstanceId, std::vector<std::string>> changes;
    const auto& detections = call.view->detections;
    for (auto at = detections.rbegin(); at != detections.rend(); ++at) {
        auto& list = changes[(*at)->failed];
        list.push_back(
            fmt::format("{};{},", wall_text((*at)->begin_ms), analysis::api_name((*at)->code))
        );
        if ((*at)->end_ms > 0) {
            list.push_back(fmt::format("{};NoProblem,", wall_text((*at)->end_ms)));
        }
    }
    JsonWriter json;
    json.begin_array();
    for (const auto& [id, list] : changes) {
        json.begin_object();
        json.key("AnalyzedInstanceKey");
        write_key(json, id);
        json.member("Changelog", list);
        json.end_object();
    }
    json.end_array();
    return plain(json);
}

http::Response filters(const Call& call) {
    const auto& policy = call.view->policy;
    JsonWriter json;
    json.begin_object();
    json.member("RecoverMasterClusterFilters", policy.primary_clusters);
    json.member("RecoverIntermediateMasterClusterFilters", policy.intermediate_clusters);
    json.member("RecoveryIgnoreHostnameFilters", policy.ignore_hosts);
    json.end_object();
    return ok("Automated recovery configuration details", json.text());
}

// ---- lists of the past

/// Names that a cluster of the past may be asked by.
struct ClusterName {
    ClusterName(const Call& call, const std::string& asked) : text(asked) {
        if (const auto found = find_cluster(call, asked, false)) {
            id = (*found)->id;
        }
    }

    [[nodiscard]] bool means(
        const std::string& cluster_id, const std::string& name, const std::string& alias
    ) const {
        return text == name || (!alias.empty() && text == alias) ||
               (!id.empty() && id == cluster_id);
    }

    std::string text, id;
};

http::Response detections_response(const Call& call, const std::vector<DetectionPtr>& list) {
    JsonWriter json;
    json.begin_array();
    for (const auto& detection : list) {
        write_detection(json, *detection, call.moment());
    }
    json.end_array();
    return plain(json);
}

template <class Predicate>
http::Response detections_page(const Call& call, std::string_view page, Predicate wanted) {
    std::vector<DetectionPtr> list;
    std::copy_if(
        call.view->detections.begin(),
        call.view->detections.end(),
        std::back_inserter(list),
        [&](const DetectionPtr& detection) { return wanted(*detection); }
    );
    return detections_response(call, page_of(list, page));
}

http::Response audit_detections(const Call& call) {
    return detections_page(
        call,
        call.parameters.empty() ? "0" : call.parameter(0),
        [](const control::Detection&) { return true; }
    );
}

http::Response audit_detections_id(const Call& call) {
    const auto number = parsed_number(call.parameter(0));
    return detections_page(call, "0", [&](const control::Detection& d) {
        return d.number == number;
    });
}

http::Response audit_detections_alias(const Call& call) {
    return detections_page(
        call,
        call.parameters.size() < 2 ? "0" : call.parameter(1),
        [&](const control::Detection& d) { return d.cluster_alias == call.parameter(0); }
    );
}

http::Response recoveries_response(const Call& call, const std::vector<RecoveryPtr>& list) {
    JsonWriter json;
    json.begin_array();
    for (const auto& recovery : list) {
        write_recovery(json, recovery->record, call.moment());
    }
    json.end_array();
    return plain(json);
}

template <class Predicate>
std::vector<RecoveryPtr> selected(const Call& call, Predicate wanted) {
    std::vector<RecoveryPtr> list;
    std::copy_if(
        call.view->recoveries.begin(),
        call.view->recoveries.end(),
        std::back_inserter(list),
        [&](const RecoveryPtr& recovery) { return wanted(recovery->record); }
    );
    return list;
}

template <class Predicate>
http::Response recoveries_page(const Call& call, std::size_t page_parameter, Predicate wanted) {
    const bool unacknowledged = call.request.query_value("unacknowledged") == "true";
    const auto list = selected(call, [&](const recovery::Record& record) {
        return wanted(record) && !(unacknowledged && record.acknowledged);
    });
    const bool has_page = call.parameters.size() > page_parameter;
    return recoveries_response(
        call, page_of(list, has_page ? call.parameter(page_parameter) : "0")
    );
}

http::Response audit_recovery(const Call& call) {
    return recoveries_page(call, 0, [](const recovery::Record&) { return true; });
}

http::Response audit_recovery_id(const Call& call) {
    const auto number = parsed_number(call.parameter(0));
    return recoveries_page(call, 1, [&](const recovery::Record& r) { return r.number == number; });
}

http::Response audit_recovery_uid(const Call& call) {
    return recoveries_page(call, 1, [&](const recovery::Record& r) {
        return r.id == call.parameter(0);
    });
}

http::Response audit_recovery_cluster(const Call& call) {
    const ClusterName cluster(call, call.parameter(0));
    return recoveries_page(call, 1, [&](const recovery::Record& r) {
        return cluster.means(r.cluster_id, r.cluster_name, r.cluster_alias);
    });
}

http::Response audit_recovery_alias(const Call& call) {
    return recoveries_page(call, 1, [&](const recovery::Record& r) {
        return r.cluster_alias == call.parameter(0);
    });
}

http::Response audit_recovery_steps(const Call& call) {
    JsonWriter json;
    json.begin_array();
    for (const auto& recovery : call.view->recoveries) {
        if (recovery->record.id == call.parameter(0)) {
            for (const auto& step : recovery->steps) {
                write_step(json, recovery->record, step);
            }
        }
    }
    json.end_array();
    return plain(json);
}

http::Response active_recoveries(const Call& call) {
    const ClusterName cluster(call, call.parameter(0));
    return recoveries_response(call, selected(call, [&](const recovery::Record& r) {
                                   return r.running() &&
                                          cluster.means(
                                              r.cluster_id, r.cluster_name, r.cluster_alias
                                          );
                               }));
}

bool ended_lately(const recovery::Record& record, const Call& call) {
    constexpr WallMs lately = 5 * 60'000;
    return !record.running() && record.ended_ms + lately > call.wall_ms;
}

http::Response recent_recoveries(const Call& call) {
    const ClusterName cluster(call, call.parameter(0));
    return recoveries_response(call, selected(call, [&](const recovery::Record& r) {
                                   return ended_lately(r, call) &&
                                          cluster.means(
                                              r.cluster_id, r.cluster_name, r.cluster_alias
                                          );
                               }));
}

http::Response recent_instance_recoveries(const Call& call) {
    const auto id = resolved_instance_id(call, 0);
    if (!id) {
        return failure(id.error());
    }
    return recoveries_response(call, selected(call, [&](const recovery::Record& r) {
                                   return ended_lately(r, call) && r.failed == *id;
                               }));
}

http::Response blocked(const Call& call) {
    std::optional<ClusterName> cluster;
    if (!call.parameters.empty()) {
        cluster.emplace(call, call.parameter(0));
    }
    JsonWriter json;
    json.begin_array();
    for (const auto& entry : call.view->blocked) {
        if (cluster && !cluster->means(entry.cluster_id, entry.cluster_name, "")) {
            continue;
        }
        json.begin_object();
        json.key("FailedInstanceKey");
        write_key(json, entry.failed);
        json.member("ClusterName", entry.cluster_name);
        json.member("Analysis", analysis::api_name(entry.code));
        json.member("LastBlockedTimestamp", wall_text(entry.last_ms));
        json.member("BlockingRecoveryId", entry.blocking_recovery);
        json.end_object();
    }
    json.end_array();
    return plain(json);
}

constexpr auto here = Runs::anywhere;
constexpr auto read = Access::read;

constexpr std::array rows{
    Route{
        "/api/replication-analysis",
        read,
        here,
        replication_analysis,
        "What is wrong now, downtimed servers included"},
    Route{
        "/api/replication-analysis/{cluster}",
        read,
        here,
        replication_analysis_cluster,
        "The same of one cluster"},
    Route{
        "/api/replication-analysis/instance/{host}/{port}",
        read,
        here,
        replication_analysis_instance,
        "The same of one server"},
    Route{
        "/api/replication-analysis-changelog",
        read,
        here,
        changelog,
        "When each server's failures began and ended"},
    Route{
        "/api/automated-recovery-filters",
        read,
        here,
        filters,
        "Which clusters are recovered automatically, as configured"},
    Route{
        "/api/audit-failure-detection",
        read,
        here,
        audit_detections,
        "Failures noticed, newest first, 20 a page"},
    Route{
        "/api/audit-failure-detection/{page}",
        read,
        here,
        audit_detections,
        "A further page, from 0"},
    Route{
        "/api/audit-failure-detection/id/{id}",
        read,
        here,
        audit_detections_id,
        "One of them, as a list"},
    Route{
        "/api/audit-failure-detection/alias/{alias}",
        read,
        here,
        audit_detections_alias,
        "Those of a cluster"},
    Route{
        "/api/audit-failure-detection/alias/{alias}/{page}",
        read,
        here,
        audit_detections_alias,
        "A further page"},
    Route{
        "/api/audit-recovery",
        read,
        here,
        audit_recovery,
        "Recoveries, newest first, 20 a page; ?unacknowledged=true"},
    Route{"/api/audit-recovery/{page}", read, here, audit_recovery, "A further page, from 0"},
    Route{"/api/audit-recovery/id/{id}", read, here, audit_recovery_id, "One of them, as a list"},
    Route{
        "/api/audit-recovery/uid/{uid}", read, here, audit_recovery_uid, "One of them, as a list"},
    Route{
        "/api/audit-recovery/cluster/{cluster}",
        read,
        here,
        audit_recovery_cluster,
        "Those of a cluster"},
    Route{
        "/api/audit-recovery/cluster/{cluster}/{page}",
        read,
        here,
        audit_recovery_cluster,
        "A further page"},
    Route{
        "/api/audit-recovery/alias/{alias}",
        read,
        here,
        audit_recovery_alias,
        "Those of a cluster by alias"},
    Route{
        "/api/audit-recovery/alias/{alias}/{page}",
        read,
        here,
        audit_recovery_alias,
        "A further page"},
    Route{
        "/api/audit-recovery-steps/{uid}",
        read,
        here,
        audit_recovery_steps,
        "What a recovery did, step by step"},
    Route{
        "/api/active-cluster-recovery/{cluster}",
        read,
        here,
        active_recoveries,
        "Recoveries of a cluster that run now"},
    Route{
        "/api/recently-active-cluster-recovery/{cluster}",
        read,
        here,
        recent_recoveries,
        "Those that ended within five minutes"},
    Route{
        "/api/recently-active-instance-recovery/{host}/{port}",
        read,
        here,
        recent_instance_recoveries,
        "The same of one failed server"},
    Route{
        "/api/blocked-recoveries", read, here, blocked, "Recoveries that are wanted and held back"},
    Route{"/api/blocked-recoveries/cluster/{cluster}", read, here, blocked, "Those of a cluster"},
};

}  // namespace

std::span<const Route> recovery_routes() {
    return rows;
}

}  // namespace baton::api
