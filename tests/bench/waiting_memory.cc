// What a job costs in memory whose devices are all waited for: see README.md.
//
//   build/release/bin/waiting_memory [devices]
//
// One JSON object a line: where, and bytes per device.
#include <malloc.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "absl/strings/str_format.h"
#include "services/device_connection/watch_list.h"
#include "services/method_dispatch/pending_calls.h"
#include "services/scheduler/method_chunk.h"
#include "services/scheduler/waiting_table.h"

namespace fleetcast {
namespace {

std::string DeviceId(int index) { return absl::StrFormat("sensor-%08d-eu", index); }  // 18 bytes.

// Prints what `make` leaves allocated.
template <typename Make>
void Measure(const char* where, int devices, Make make) {
  const size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
  const auto kept = make();
  const size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
  std::printf("{\"name\":\"waiting memory\",\"where\":\"%s\",\"devices\":%d,\"bytes_per_device\":%.1f}\n", where,
              devices, static_cast<double>(after - before) / devices);
}

std::unique_ptr<scheduler::MethodChunk> Chunk(const std::shared_ptr<const job_store::Job>& job, int number, int size) {
  job_store::LeasedChunk leased;
  leased.lease.key = {.job_seq = 1, .chunk_no = number};
  leased.job = job;
  leased.pending = job_store::PositionSet::FirstN(size);
  for (int i = 0; i < size; ++i) leased.device_ids.push_back(DeviceId(number * job_store::kChunkTargets + i));
  scheduler::MethodChunkOptions options;
  options.begin_waiting = true;
  options.wait_max = absl::InfiniteDuration();
  return std::make_unique<scheduler::MethodChunk>(std::move(leased), options,
                                                  scheduler::Moment{absl::Now(), absl::Hours(1)});
}

void MeasureAll(int devices) {
  auto job = std::make_shared<job_store::Job>();
  job->spec.action = job_store::MethodAction();
  Measure("scheduler, targets", devices, [&] {
    std::vector<std::unique_ptr<scheduler::MethodChunk>> chunks;
    for (int first = 0; first < devices; first += job_store::kChunkTargets) {
      const int size = std::min(job_store::kChunkTargets, devices - first);
      chunks.push_back(Chunk(job, first / job_store::kChunkTargets, size));
    }
    return chunks;
  });
  Measure("scheduler, waiting table", devices, [&] {
    auto table = std::make_unique<scheduler::WaitingTable>();
    for (int i = 0; i < devices; ++i) table->Add(DeviceId(i), {i / 1'000, i % 1'000});
    return table;
  });
  Measure("method_dispatch", devices, [&] {
    auto calls = std::make_unique<method_dispatch::PendingCalls>(method_dispatch::PendingLimits(), 1,
                                                                 method_dispatch::Now{absl::Hours(1), absl::Now()});
    for (int i = 0; i < devices; ++i) {
      method_dispatch::Actions actions;
      calls->Watch(1, DeviceId(i), actions);
    }
    return calls;
  });
  Measure("device_connection", devices, [&] {
    auto list = std::make_unique<device_connection::WatchList>();
    for (int i = 0; i < devices; ++i) list->Add(1, DeviceId(i));
    return list;
  });
}

}  // namespace
}  // namespace fleetcast

int main(int argc, char** argv) {
  fleetcast::MeasureAll(argc > 1 ? std::atoi(argv[1]) : 1'000'000);
  return 0;
}
