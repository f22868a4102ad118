// One transaction on one session, as handed to the function given to Pool::Transact.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/postgres/result.h"
#include "libs/postgres/statement.h"

namespace pqxx {
class transaction_base;
}

namespace fleetcast::postgres {

class Connection;

// Runs statements. The first error spoils the transaction: later statements answer it again, and it cannot commit.
// One thread; lives only inside Transact or Run. Never call another process, Redis or a device while one is open.
class Transaction {
 public:
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  // Runs `statement` with `args` as $1 … $n. The errors are those of errors.h.
  template <typename... Args>
  absl::StatusOr<Result> Run(const Statement& statement, const Args&... args) {
    return Execute(statement, Params::Of(args...));
  }
  absl::StatusOr<Result> Execute(const Statement& statement, const Params& params);

  // Runs SQL made at run time (a compiled query), not prepared. The values still travel as parameters.
  absl::StatusOr<Result> ExecuteSql(std::string_view sql, const Params& params);

  // Runs SQL of several statements without parameters, for migrations.
  absl::Status RunScript(std::string_view sql);

  // COPY `table` (`columns`) FROM STDIN. Each row has one value per column in text form; nullopt = NULL. `table` may be
  // qualified; both come from our source, never from outside. Returns the rows sent.
  absl::StatusOr<int64_t> CopyIn(std::string_view table, const std::vector<std::string>& columns,
                                 std::span<const Params> rows);

 private:
  friend class Pool;
  Transaction(Connection& connection, pqxx::transaction_base& work) : connection_(connection), work_(work) {}

  template <typename Fn>
  auto Guarded(Fn fn) -> absl::StatusOr<decltype(fn())>;

  Connection& connection_;
  pqxx::transaction_base& work_;
  absl::Status spoiled_;  // The first error.
};

}  // namespace fleetcast::postgres
