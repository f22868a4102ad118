#include "services/twin/store/index_store.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/query/sql.h"
#include "services/twin/store/columns.h"

namespace fleetcast::twin {
namespace {

using postgres::Statement;

constexpr Statement kTryLock{
    "twin_index_lock",
    "SELECT pg_try_advisory_lock(hashtextextended('fleetcast.twin.query_index', 0)) AS locked, "
    "pg_backend_pid() AS backend"};
constexpr Statement kUnlock{"twin_index_unlock",
                            "SELECT pg_advisory_unlock(hashtextextended('fleetcast.twin.query_index', 0))"};
constexpr Statement kExisting{"twin_index_existing",
                              "SELECT c.relname::text AS name, i.indisvalid AS valid FROM pg_index AS i JOIN pg_class "
                              "AS c ON c.oid = i.indexrelid "
                              "WHERE i.indrelid = 'twin.twin'::regclass AND c.relname LIKE 'query\\_%'"};
constexpr Statement kCancel{"twin_index_cancel", "SELECT pg_cancel_backend($1)"};

constexpr absl::Duration kShort = absl::Seconds(10);
// Beyond the statement timeout of any pool: a nearer deadline would need a transaction block.
constexpr absl::Duration kForever = absl::Hours(24 * 365);

// FNV-1a: stable over versions and machines.
uint64_t Fingerprint(std::string_view text) {
  uint64_t hash = 14695981039346656037u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return hash;
}

query::Binding IndexBinding() { return {.columns = IndexableColumns()}; }

}  // namespace

absl::StatusOr<std::vector<query::Path>> ParseIndexPaths(const std::vector<std::string>& texts) {
  std::vector<query::Path> paths;
  for (const std::string& text : texts) {
    FLEETCAST_ASSIGN_OR_RETURN(query::Path path, query::ParsePath(text));
    const bool is_short = path[0].name == "desired" || path[0].name == "reported";
    if (is_short) path.insert(path.begin(), query::Segment{"properties"});
    if (query::IndexExpressions(path, IndexBinding()).empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", text, "\" is no path below tags, desired or reported, such as reported.firmware.version"));
    }
    if (std::find(paths.begin(), paths.end(), path) == paths.end()) paths.push_back(std::move(path));
  }
  return paths;
}

std::vector<QueryIndex> QueryIndexesOf(const std::vector<query::Path>& paths) {
  std::vector<QueryIndex> indexes;
  for (const query::Path& path : paths) {
    for (const query::IndexExpression& expression : query::IndexExpressions(path, IndexBinding())) {
      const bool is_text = expression.form == query::PathForm::kText;
      QueryIndex index;
      index.name = absl::StrFormat("query_%016x_%s", Fingerprint(expression.text), is_text ? "text" : "number");
      index.path = query::PathText(path);
      // Not partial: the planner takes no statistics from partial indexes. Rows without the member cost some 7 bytes.
      index.sql = absl::StrCat("CREATE INDEX CONCURRENTLY ", index.name, " ON twin.twin ((", expression.text, ")",
                               is_text ? " COLLATE \"C\"" : "", ")");
      indexes.push_back(std::move(index));
    }
  }
  return indexes;
}

absl::StatusOr<bool> IndexStore::TryLock() {
  FLEETCAST_ASSIGN_OR_RETURN(const postgres::Result rows, pool_.Run(absl::Now() + kForever, kTryLock));
  if (!rows[0].Get<bool>("locked")) return false;
  backend_ = rows[0].Get<int>("backend");
  return true;
}

absl::Status IndexStore::Unlock() {
  backend_ = 0;
  return pool_.Run(absl::Now() + kForever, kUnlock).status();
}

absl::Status IndexStore::Run(std::string_view sql, std::stop_token stop) {
  if (stop.stop_requested()) return absl::CancelledError("the process stops");
  return pool_.RunSql(absl::Now() + kForever, sql).status();
}

absl::StatusOr<int> IndexStore::Reconcile(const std::vector<QueryIndex>& wanted, std::stop_token stop) {
  FLEETCAST_ASSIGN_OR_RETURN(const postgres::Result rows, pool_.Run(absl::Now() + kForever, kExisting));
  std::map<std::string, bool> existing;  // Name, valid.
  for (const postgres::Row row : rows) existing[row.Get<std::string>("name")] = row.Get<bool>("valid");
  for (const auto& [name, is_valid] : existing) {
    const bool is_wanted = std::any_of(wanted.begin(), wanted.end(),
                                       [&name = name](const QueryIndex& index) { return index.name == name; });
    // The name is one that we made: it needs no quotes.
    if (is_wanted && is_valid) continue;
    FLEETCAST_RETURN_IF_ERROR(Run(absl::StrCat("DROP INDEX CONCURRENTLY twin.", name), stop));
  }
  int built = 0;
  for (const QueryIndex& index : wanted) {
    const auto found = existing.find(index.name);
    if (found != existing.end() && found->second) continue;
    FLEETCAST_RETURN_IF_ERROR(Run(index.sql, stop));
    ++built;
  }
  // The planner knows nothing of an expression before.
  if (built > 0) FLEETCAST_RETURN_IF_ERROR(Run("ANALYZE twin.twin", stop));
  return built;
}

void IndexStore::Cancel() {
  const int backend = backend_;
  if (backend != 0) control_.Run(absl::Now() + kShort, kCancel, backend).status().IgnoreError();
}

}  // namespace fleetcast::twin
