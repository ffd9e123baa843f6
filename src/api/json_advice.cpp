// SPDX-License-Identifier: Apache-2.0
#include "json_advice.hpp"

#include "baton/analysis/advice.hpp"

namespace baton::api::v1 {

void write_advices(JsonWriter& json, const topology::Cluster& cluster, const Moment& moment) {
    json.begin_array();
    for (const auto& advice :
         analysis::advise(*moment.view->topology, cluster, moment.view->advice)) {
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
