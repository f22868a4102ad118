// Transactions whose effect must not be doubled when a commit is in doubt.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/status_macros.h"
#include "libs/postgres/pool.h"

namespace fleetcast::twin {

// As Pool::Transact for an `fn` that gives StatusOr<T>, but `fn` is not run again when its last run turns out to have
// been committed: the database remembers the fate of the transaction's id. Its result is answered then.
template <typename Fn>
auto TransactOnce(postgres::Pool& pool, absl::Time deadline, Fn fn)
    -> decltype(fn(std::declval<postgres::Transaction&>())) {
  using R = decltype(fn(std::declval<postgres::Transaction&>()));
  static constexpr postgres::Statement kFate{
      "twin_xact_fate", "SELECT coalesce(pg_xact_status($1::text::xid8), 'aborted') = 'committed'"};
  static constexpr postgres::Statement kOwnId{"twin_xact_id", "SELECT pg_current_xact_id()::text"};
  std::optional<std::string> last_id;
  std::optional<R> last_result;
  return pool.Transact(deadline, [&](postgres::Transaction& transaction) -> R {
    if (last_id.has_value()) {
      FLEETCAST_ASSIGN_OR_RETURN(const postgres::Result fate, transaction.Run(kFate, *last_id));
      if (fate[0].template Get<bool>(0)) return *last_result;
      last_id.reset();
    }
    R result = fn(transaction);
    if (!result.ok()) return result;
    FLEETCAST_ASSIGN_OR_RETURN(const postgres::Result own, transaction.Run(kOwnId));
    last_id = own[0].template Get<std::string>(0);
    last_result.emplace(result);
    return result;
  });
}

}  // namespace fleetcast::twin
