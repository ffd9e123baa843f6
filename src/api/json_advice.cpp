// SPDX-License-Identifier: Apache-2.0
#include "json_advice.hpp"

#include "json_policy.hpp"

#include "baton/analysis/advice.hpp"

namespace baton::api::v1 {

void write_advices(JsonWriter& json, const topology::Cluster& cluster, const Moment& moment) {
    const auto* own = effective_policy(*moment.view, cluster.id);
    const auto& wanted = own != nullptr ? own->advice : moment.view->advice;
    json.begin_array();
    for (const auto& advice : analysis::advise(*moment.view->topology, cluster, wanted)) {
        json.begin_object();
        json.member("code", advice.code);
        json.member("server", advice.server.text());
        json.member("severity", analysis::to_string(advice.severity));
        json.member("sentence", advice.sentence);
        json.member("statements", advice.statements);
        json.member("config", advice.config);
        json.end_object();
    }
    json.end_array();
}

}  // namespace baton::api::v1
