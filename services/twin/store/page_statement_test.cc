#include "services/twin/store/page_statement.h"

#include <gtest/gtest.h>

#include "services/twin/store/store_fixture.h"

namespace fleetcast::twin {
namespace {

class PageStatementTest : public StoreTest {
 protected:
  // How many lines of the plan begin to read an index where the page begins, without the choice of reading everything.
  int BoundScans(query::Collection collection, uint32_t uses) {
    const std::string sql = PageStatement(SourceOf(collection), "t.device_id", uses, {"TRUE", {}, 0}, true);
    int bound = 0;
    const absl::Status status = pool_.Transact(Deadline(), [&](postgres::Transaction& transaction) -> absl::Status {
      const absl::Status off = transaction.RunScript("SET LOCAL enable_seqscan = off");
      if (!off.ok()) return off;
      const auto rows = transaction.ExecuteSql(
          "EXPLAIN " + sql, postgres::Params::Of("page-begin", "", std::optional<std::string>(), 100));
      if (!rows.ok()) return rows.status();
      bound = 0;
      for (const postgres::Row row : *rows) {
        const std::string line = row.Get<std::string>(0);
        if (line.find("Index Cond") != std::string::npos && line.find("page-begin") != std::string::npos) ++bound;
      }
      return absl::OkStatus();
    });
    EXPECT_THAT(status, testing::IsOk()) << sql;
    return bound;
  }
};

// A far page must not cost more than a near one.
TEST_F(PageStatementTest, EachTableIsReadFromTheBeginningOfThePage) {
  for (const query::Collection collection : {query::Collection::kDevices, query::Collection::kModules}) {
    EXPECT_EQ(BoundScans(collection, 0), 1);
    EXPECT_EQ(BoundScans(collection, kUsesTwin), 1);
    EXPECT_EQ(BoundScans(collection, kUsesDevice | kUsesTwin), 2);
  }
}

}  // namespace
}  // namespace fleetcast::twin
