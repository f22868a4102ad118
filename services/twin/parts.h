// The parts of the process, put together. Used by main.cc and by the tests of the services.
#pragma once

#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "libs/base/worker_pool.h"
#include "libs/model/page_token.h"
#include "libs/postgres/pool.h"
#include "services/twin/change_feed.h"
#include "services/twin/config.h"
#include "services/twin/device_service.h"
#include "services/twin/key_upkeep.h"
#include "services/twin/module_service.h"
#include "services/twin/record_service.h"
#include "services/twin/store/index_store.h"
#include "services/twin/target_service.h"
#include "services/twin/twin_service.h"
#include "services/twin/twin_write_service.h"

namespace fleetcast::twin {

inline constexpr size_t kQueueLimit = 1'000;
inline constexpr int kFeedConnections = 2;
// An export lasts as long as its reader takes: it gets a thread and a session that queries cannot miss.
inline constexpr int kExportsAtOnceMax = 2;
inline constexpr size_t kExportQueueLimit = 8;
inline constexpr absl::Duration kIndexBuildLimit = absl::Hours(24);

// What the services stand on.
struct Stores {
  Stores(const Config& config, const KeyVault& keys, telemetry::Metrics& metrics)
      : vault(keys),
        pool({.connection_string = config.postgres,
              .application_name = "fleetcast-twin",
              .connections = config.postgres_connections + config.slice_connections + kFeedConnections},
             metrics),
        scan_pool({.connection_string = config.postgres,
                   .application_name = "fleetcast-twin-scan",
                   .connections = config.scan_connections + kExportsAtOnceMax,
                   .statement_timeout = config.scan_limit},
                  metrics),
        index_pool({.connection_string = config.postgres,
                    .application_name = "fleetcast-twin-index",
                    .connections = 1,
                    .statement_timeout = kIndexBuildLimit,
                    .lock_timeout = kIndexBuildLimit},
                   metrics),
        index_paths(ParseIndexPaths(config.query_indexes).value_or(std::vector<query::Path>())) {}

  const KeyVault vault;
  postgres::Pool pool;
  postgres::Pool scan_pool;
  postgres::Pool index_pool;
  std::vector<query::Path> index_paths;
  DeviceStore devices{pool};
  RegistryBatchStore batches{pool, vault};
  KeyStore keys{pool};
  TwinStore twins{pool};
  RecordStore records{pool};
  ReportedStore reported{pool};
  SliceStore slices{pool};
  FeedStore feed{pool};
  QueryStore queries{scan_pool, index_paths};
  IndexStore indexes{index_pool, pool};
  ExportStore exports{scan_pool};
};

// Threads of handlers and the services that run on them.
struct Services {
  Services(const Config& config, Stores& stores, ChangeFeed& feed)
      : tokens(config.page_token_key.empty() ? RandomBytes(32) : config.page_token_key),
        workers(config.postgres_connections, kQueueLimit),
        slice_workers(config.slice_connections, kQueueLimit),
        scan_workers(config.scan_connections, kQueueLimit),
        export_workers(kExportsAtOnceMax, kExportQueueLimit),
        queries(stores.queries, tokens, config.profile(), SystemClock()),
        statistics(stores.devices, SystemClock()),
        exports(stores.exports, stores.vault, tokens),
        devices({stores.devices, stores.batches, statistics, stores.vault}, exports, tokens, workers, export_workers,
                [&feed] { feed.Wake(); }),
        modules(stores.devices, stores.vault, workers, [&feed] { feed.Wake(); }),
        twins(stores.twins, queries, workers, scan_workers, [&feed] { feed.Wake(); }),
        records(stores.records, stores.reported, stores.vault, workers),
        targets(stores.queries, scan_workers),
        writes(stores.slices, slice_workers, config.slice_connections, kQueueLimit, [&feed] { feed.Wake(); }) {}

  PageTokens tokens;
  WorkerPool workers;
  WorkerPool slice_workers;
  WorkerPool scan_workers;
  WorkerPool export_workers;
  QueryRunner queries;
  DeviceStatistics statistics;
  DeviceExport exports;
  DeviceService devices;
  ModuleService modules;
  TwinService twins;
  RecordService records;
  TargetService targets;
  TwinWriteService writes;
};

}  // namespace fleetcast::twin
