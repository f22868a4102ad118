// Conditions and queries over all twins of devices or of modules: pages of ids, counts, pages of documents, groups.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/model/ids.h"
#include "libs/postgres/pool.h"
#include "libs/query/query.h"
#include "services/twin/store/columns.h"
#include "services/twin/twin_document.h"

namespace fleetcast::twin {

struct TargetCount {
  int64_t count = 0;
  int64_t connected = 0;            // Of these, as device_connection last told.
  std::vector<std::string> sample;  // Ids, ascending in byte order.
};

// A page of twins.
struct TwinPage {
  std::vector<TwinRow> twins;
  // The index of the condition has found this page among so few rows that the next one should ask it at once.
  bool is_selective = false;
};

// Thread-safe. Meant for a pool of its own, with a longer statement timeout: a scan must not hold up single reads.
class QueryStore {
 public:
  // `indexed_paths` have expression indexes (index_store.h); conditions on them are compiled so that these can be used.
  explicit QueryStore(postgres::Pool& pool, std::vector<query::Path> indexed_paths = {})
      : pool_(pool), indexed_paths_(std::move(indexed_paths)) {}

  // Ids of the devices that `condition` selects, ascending in byte order, after `after`. Each page sees the state of
  // its own moment; each device is looked at once.
  absl::StatusOr<std::vector<std::string>> Ids(absl::Time deadline, const query::Condition& condition,
                                               std::string_view after, int limit);

  // What `condition` selects, counted and seen at one moment, with the first `sample_size` ids.
  absl::StatusOr<TargetCount> Count(absl::Time deadline, const query::Condition& condition, int sample_size);

  // Twins of `collection` that `where` selects (empty = all), in order of their keys, after `after`. `is_selective`:
  // what the page before said; it changes the way to the answer, not the answer.
  absl::StatusOr<TwinPage> Twins(absl::Time deadline, query::Collection collection,
                                 const std::optional<query::Expr>& where, const Identity& after, int limit,
                                 bool is_selective = false);

  // The rows of an aggregate query, as JSON text, from the `offset`th on. Their order is stable while nothing changes.
  absl::StatusOr<std::vector<std::string>> Groups(absl::Time deadline, const query::Query& query, int64_t offset,
                                                  int limit);

 private:
  enum class Way { kAlongKey, kByIndex };
  struct Page;

  // The rows of `page`, in the order of their keys.
  absl::StatusOr<postgres::Result> Read(absl::Time deadline, const Page& page);
  // How to find them.
  absl::StatusOr<Way> Choose(absl::Time deadline, const Page& page, const query::Sql& where);

  query::Binding BindingOf(const Source& source) const { return {source.columns, indexed_paths_}; }

  postgres::Pool& pool_;
  const std::vector<query::Path> indexed_paths_;
};

}  // namespace fleetcast::twin
