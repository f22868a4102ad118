// The metrics of this process that count what happens to sessions and calls.
#pragma once

#include "libs/telemetry/metrics.h"

namespace fleetcast::device_connection {

// Handles; made once. Thread-safe.
struct HubMetrics {
  explicit HubMetrics(telemetry::Metrics& metrics)
      : opens(metrics.NewCounters("fleetcast_session_opens_total", "Connection attempts by result", {"result"})),
        takeovers(metrics.NewCounter("fleetcast_session_takeovers_total", "Connections replaced by a newer one")),
        held(metrics.NewCounter("fleetcast_session_holds_total",
                                "Connection attempts that had to wait, because their identity connects too often")),
        refusals_held(metrics.NewCounter("fleetcast_session_refusal_holds_total",
                                         "Refusals whose answer has to wait, because their identity has had too many")),
        refused_again(metrics.NewCounter("fleetcast_session_refusals_repeated_total",
                                         "Attempts whose words were refused a moment ago: nothing was looked up")),
        open_seconds(metrics.NewHistogram("fleetcast_session_open_seconds", "Time of one batch of connection attempts",
                                          telemetry::CallSeconds())),
        open_batch(
            metrics.NewHistogram("fleetcast_session_open_batch", "Attempts in one batch", telemetry::BatchSizes())),
        dispatchers(metrics.NewGauge("fleetcast_delivery_dispatchers", "Streams of method_dispatch that stand")),
        calls(metrics.NewCounters("fleetcast_delivery_calls_total", "Calls by what this process did with them",
                                  {"result"})),
        resolve_seconds(metrics.NewHistogram("fleetcast_delivery_resolve_seconds",
                                             "Time to find the edges of one batch of calls", telemetry::CallSeconds())),
        reports(metrics.NewCounter("fleetcast_delivery_reports_total", "Reports of edges about calls")),
        orphans(metrics.NewCounter("fleetcast_delivery_orphans_total", "Events whose dispatcher was gone")),
        refused(metrics.NewCounters("fleetcast_hub_refused_total", "Work refused because a queue was full", {"queue"})),
        revoked(metrics.NewCounters("fleetcast_sessions_revoked_total",
                                    "Sessions that were closed because of their device's record, by reason",
                                    {"reason"})),
        directory_lost(metrics.NewCounter("fleetcast_directory_lost_total", "Times that Redis had lost its memory")),
        announced(
            metrics.NewCounter("fleetcast_sessions_announced_total", "Sessions entered into the directory again")),
        desired_changes(metrics.NewCounters("fleetcast_desired_changes_total", "Desired changes by what became of them",
                                            {"result"})) {}

  telemetry::CounterFamily opens;
  telemetry::Counter takeovers;
  telemetry::Counter held;
  telemetry::Counter refusals_held;
  telemetry::Counter refused_again;
  telemetry::Histogram open_seconds;
  telemetry::Histogram open_batch;
  telemetry::Gauge dispatchers;
  telemetry::CounterFamily calls;
  telemetry::Histogram resolve_seconds;
  telemetry::Counter reports;
  telemetry::Counter orphans;
  telemetry::CounterFamily refused;
  telemetry::CounterFamily revoked;
  telemetry::Counter directory_lost;
  telemetry::Counter announced;
  telemetry::CounterFamily desired_changes;
};

}  // namespace fleetcast::device_connection
