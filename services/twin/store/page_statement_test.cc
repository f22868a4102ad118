#include "services/twin/store/page_statement.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "libs/base/status_macros.h"
#include "services/twin/store/store_fixture.h"
#include "services/twin/store/twin_rows.h"

namespace fleetcast::twin {
namespace {

class PageStatementTest : public StoreTest {
 protected:
  // The lines of the plan of a page, without the choice of reading everything.
  std::vector<std::string> Plan(const std::string& sql) {
    std::vector<std::string> lines;
    const absl::Status status = pool_.Transact(Deadline(), [&](postgres::Transaction& transaction) -> absl::Status {
      FLEETCAST_RETURN_IF_ERROR(transaction.RunScript("SET LOCAL enable_seqscan = off"));
      FLEETCAST_ASSIGN_OR_RETURN(const postgres::Result rows,
                                 transaction.ExecuteSql("EXPLAIN " + sql, postgres::Params::Of("page-begin", "", 100)));
      lines.clear();
      for (const postgres::Row row : rows) lines.push_back(row.Get<std::string>(0));
      return absl::OkStatus();
    });
    EXPECT_THAT(status, testing::IsOk()) << sql;
    return lines;
  }

  // How many lines of the plan begin to read an index where the page begins.
  static int64_t BoundScans(const std::vector<std::string>& plan) {
    return std::count_if(plan.begin(), plan.end(), [](const std::string& line) {
      return line.find("Index Cond") != std::string::npos && line.find("page-begin") != std::string::npos;
    });
  }

  const query::Sql everything_ = {"TRUE", {}, 0};
  // Answered by the index on tags.
  const query::Sql tagged_ = {"(t.tags @> '{\"a\": 1}')", {}, kUsesTwin, true};
};

// A far page must not cost more than a near one.
TEST_F(PageStatementTest, EachTableIsReadFromTheBeginningOfThePage) {
  for (const query::Collection collection : {query::Collection::kDevices, query::Collection::kModules}) {
    const auto scans = [&](uint32_t uses) {
      return BoundScans(Plan(PageAlongKey(SourceOf(collection), "t.device_id", uses, everything_)));
    };
    EXPECT_EQ(scans(0), 1);
    EXPECT_EQ(scans(kUsesTwin), 1);
    EXPECT_EQ(scans(kUsesDevice | kUsesTwin), 2);
  }
}

// When much fits, a page is full after some rows, and an index would find all of it.
TEST_F(PageStatementTest, NoIndexIsAskedAlongTheKey) {
  for (const query::Collection collection : {query::Collection::kDevices, query::Collection::kModules}) {
    const Source& source = SourceOf(collection);
    for (const std::string& sql : {PageAlongKey(source, "t.device_id", kUsesDevice | kUsesTwin, tagged_),
                                   PageAlongKey(source, "t.device_id", 0, tagged_), CountNear(source, tagged_, 500)}) {
      const std::vector<std::string> plan = Plan(sql);
      EXPECT_GE(BoundScans(plan), 1) << absl::StrJoin(plan, "\n");
      EXPECT_EQ(absl::StrJoin(plan, "\n").find("twin_tags"), std::string::npos) << absl::StrJoin(plan, "\n");
    }
  }
}

// What an index finds may be much more than a page: only keys of it are sorted.
TEST_F(PageStatementTest, DocumentsAreReadOfThePageAlone) {
  for (const query::Collection collection : {query::Collection::kDevices, query::Collection::kModules}) {
    const std::vector<std::string> plan =
        Plan(PageByIndex(SourceOf(collection), FLEETCAST_TWIN_COLUMNS, kUsesDevice | kUsesTwin, tagged_));
    const auto limit = std::find_if(plan.begin(), plan.end(),
                                    [](const std::string& line) { return line.find("Limit") != std::string::npos; });
    ASSERT_NE(limit, plan.end());
    EXPECT_NE(limit, plan.begin());
    int width = 0;
    ASSERT_TRUE(absl::SimpleAtoi(
        limit->substr(limit->find("width=") + 6, limit->rfind(')') - limit->find("width=") - 6), &width));
    EXPECT_LT(width, 150) << absl::StrJoin(plan, "\n");
  }
}

}  // namespace
}  // namespace fleetcast::twin
