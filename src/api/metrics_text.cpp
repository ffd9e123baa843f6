// SPDX-License-Identifier: Apache-2.0
#include "metrics_text.hpp"

#include "event_stream.hpp"
#include "instance_facts.hpp"

#include "baton/base/text.hpp"

#include <fmt/format.h>

#include <map>
#include <utility>
#include <vector>

namespace baton::api {

namespace {

using Labels = std::vector<std::pair<std::string_view, std::string>>;

class Text {
public:
    void family(std::string_view name, std::string_view type, std::string_view help) {
        name_ = name;
        fmt::format_to(
            std::back_inserter(text_), "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type
        );
    }

    template <class Number>
    void sample(Number number, const Labels& labels = {}) {
        part("", number, labels);
    }

    /// A sample of a family that has several kinds of them, told apart by the name's end.
    template <class Number>
    void part(std::string_view name_end, Number number, const Labels& labels = {}) {
        text_ += name_;
        text_ += name_end;
        char before = '{';
        for (const auto& [label, value] : labels) {
            text_ += before;
            text_ += label;
            text_ += "=\"";
            append_escaped(value);
            text_ += '"';
            before = ',';
        }
        text_ += labels.empty() ? " " : "} ";
        fmt::format_to(std::back_inserter(text_), "{}\n", number);
    }

    template <class Number>
    void gauge(std::string_view name, std::string_view help, Number number) {
        family(name, "gauge", help);
        sample(number);
    }

    template <class Number>
    void counter(std::string_view name, std::string_view help, Number number) {
        family(name, "counter", help);
        sample(number);
    }

    std::string take() { return std::move(text_); }

private:
    void append_escaped(const std::string& value) {
        for (const char c : valid_utf8(value)) {
            if (c == '\\' || c == '"') {
                text_ += '\\';
                text_ += c;
            } else if (c == '\n') {
                text_ += "\\n";
            } else {
                text_ += c;
            }
        }
    }

    std::string text_;
    std::string_view name_;
};

double seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

int flag(bool value) {
    return value ? 1 : 0;
}

void write_node(Text& text, const Call& call) {
    const auto status = call.commands->status();
    text.family("baton_build_info", "gauge", "Version of this node");
    text.sample(1, {{"version", status.version}, {"node", status.name}});
    text.gauge("baton_active", "1 while this node may act", flag(status.lease.may_act));
    text.gauge(
        "baton_lease_epoch", "Own epoch as holder, else the last one seen", status.lease.epoch
    );
    text.gauge("baton_lease_left_seconds", "Until the own lease ends", seconds(status.lease.left));
    text.gauge(
        "baton_backend_up", "1 while the lease connection works", flag(status.lease.backend_ok)
    );
    text.gauge(
        "baton_backend_silence_seconds",
        "Since the backend answered last",
        seconds(status.lease.since_backend_ok)
    );
    text.gauge(
        "baton_state_age_seconds",
        "How old what this node serves is at most",
        seconds(status.state_age)
    );
    std::size_t alive = 0;
    for (const auto& node : call.view->nodes) {
        alive += node.alive ? 1 : 0;
    }
    text.gauge("baton_nodes_alive", "Nodes of the service that live", alive);
    text.gauge(
        "baton_recoveries_disabled",
        "1 while automatic recovery is off",
        flag(call.view->recoveries_disabled)
    );
    text.gauge("baton_shadow", "1 when this service changes nothing", flag(call.view->shadow));
}

void write_work(Text& text, const control::Counters& work) {
    text.counter("baton_probes_total", "Probes ended", work.probes);
    text.counter("baton_probe_failures_total", "Probes that failed", work.probe_failures);
    text.counter("baton_probe_seconds_total", "Time spent in probes", work.probe_seconds_sum);
    text.counter("baton_analyses_total", "Analyses made", work.analyses);
    text.counter("baton_snapshots_total", "Snapshots made", work.snapshots);
    text.counter("baton_detections_total", "Failures noticed", work.detections);
    text.counter(
        "baton_witness_tests_total", "Replicas asked whether their source lives", work.witness_tests
    );
    text.counter(
        "baton_second_opinions_total",
        "Servers that the other nodes were asked about",
        work.second_opinions
    );
    text.counter("baton_recoveries_started_total", "Recoveries begun", work.recoveries_started);
    text.counter("baton_recoveries_done_total", "Recoveries that succeeded", work.recoveries_done);
    text.counter("baton_recoveries_failed_total", "Recoveries that failed", work.recoveries_failed);
    text.counter(
        "baton_documents_written_total", "Documents written to the backend", work.documents_written
    );
    text.counter(
        "baton_write_failures_total", "Writes to the backend that failed", work.write_failures
    );
    text.gauge(
        "baton_loop_lag_seconds",
        "Longest delay of the core loop in the last minute",
        static_cast<double>(work.loop_lag_us_max) / 1e6
    );
    text.family(
        "baton_loop_delay_seconds", "histogram", "How late the core loop comes to its work"
    );
    std::uint64_t so_far = 0;
    for (std::size_t at = 0; at < work.loop_lags.size(); ++at) {
        so_far += work.loop_lags[at];
        const bool last = at == control::Counters::loop_lag_bounds_us.size();
        const auto bound =
            last ? "+Inf"
                 : fmt::format(
                       "{}", static_cast<double>(control::Counters::loop_lag_bounds_us[at]) / 1e6
                   );
        text.part("_bucket", so_far, {{"le", bound}});
    }
    text.part("_sum", static_cast<double>(work.loop_lag_us_sum) / 1e6);
    text.part("_count", so_far);
}

void write_servers(Text& text, const Call& call) {
    const auto& topology = call.topology();
    const auto moment = call.moment();
    text.gauge("baton_clusters", "Clusters known", topology.clusters().size());
    text.gauge("baton_servers", "Servers known", topology.instances().size());
    text.family("baton_server_up", "gauge", "1 when the last probe of the server succeeded");
    for (const auto& instance : topology.instances()) {
        text.sample(
            flag(freshness_of(*instance, moment).valid),
            {{"server", instance->id.text()}, {"cluster", instance->cluster_name}}
        );
    }
    text.family("baton_server_lag_seconds", "gauge", "Seconds behind its source");
    for (const auto& instance : topology.instances()) {
        if (const auto lag = instance->lag_seconds()) {
            text.sample(
                *lag, {{"server", instance->id.text()}, {"cluster", instance->cluster_name}}
            );
        }
    }
    text.family("baton_finding", "gauge", "1 for each thing that is wrong now");
    for (const auto& finding : call.view->findings) {
        if (finding.code != analysis::Code::no_problem) {
            text.sample(
                1,
                {{"code", std::string(analysis::api_name(finding.code))},
                 {"server", finding.subject.text()},
                 {"cluster", finding.cluster_name},
                 {"severity", std::string(analysis::to_string(finding.severity))}}
            );
        }
    }
    text.gauge(
        "baton_recoveries_blocked",
        "Recoveries that are wanted and held back",
        call.view->blocked.size()
    );
}

void write_traffic(Text& text, const Call& call) {
    const auto& traffic = call.traffic;
    text.counter("baton_http_requests_total", "HTTP requests", traffic.requests);
    text.counter("baton_http_connections_total", "HTTP connections accepted", traffic.accepted);
    text.counter("baton_http_refused_total", "HTTP connections refused", traffic.refused);
    text.counter(
        "baton_http_malformed_total", "HTTP requests that could not be read", traffic.malformed
    );
    text.counter(
        "baton_http_timed_out_total", "HTTP connections closed for slowness", traffic.timed_out
    );
    text.gauge("baton_http_open_connections", "HTTP connections open", traffic.open);
    text.gauge("baton_event_clients", "Clients of the event stream", call.events->clients());
    text.counter(
        "baton_event_clients_dropped_total",
        "Clients that were too slow for the event stream",
        call.events->dropped()
    );
}

}  // namespace

std::string metrics_text(const Call& call) {
    Text text;
    write_node(text, call);
    write_work(text, call.view->counters);
    write_servers(text, call);
    write_traffic(text, call);
    return text.take();
}

}  // namespace baton::api
