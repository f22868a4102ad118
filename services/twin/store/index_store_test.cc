#include "services/twin/store/index_store.h"

#include <gmock/gmock.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/twin/store/query_store.h"
#include "services/twin/store/store_fixture.h"

namespace fleetcast::twin {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class IndexStoreTest : public StoreTest {
 protected:
  IndexStoreTest()
      : index_pool_({.connection_string = pool_.options().connection_string,
                     .application_name = "twin_index_test",
                     .connections = 1,
                     .statement_timeout = absl::Minutes(10),
                     .lock_timeout = absl::Minutes(10)},
                    metrics_) {}

  static std::vector<QueryIndex> Wanted(const std::vector<std::string>& paths) {
    return QueryIndexesOf(*ParseIndexPaths(paths));
  }

  std::vector<std::string> Indexes() {
    const auto rows = pool_.Run(
        Deadline(), postgres::Statement{"test_indexes",
                                        "SELECT indexname::text AS name FROM pg_indexes WHERE schemaname = 'twin' AND "
                                        "indexname LIKE 'query%' ORDER BY 1"});
    EXPECT_THAT(rows, testing::IsOk());
    std::vector<std::string> names;
    if (rows.ok()) {
      for (const postgres::Row row : *rows) names.push_back(row.Get<std::string>("name"));
    }
    return names;
  }

  // The plan of `condition`, without the choice of reading everything.
  std::string Plan(const std::string& condition, const std::vector<std::string>& paths) {
    const std::vector<query::Path> indexed = *ParseIndexPaths(paths);
    const Source& source = SourceOf(query::Collection::kDevices);
    const query::Sql sql =
        query::CompileCondition(*query::ParseCondition(condition)->expression, {source.columns, indexed}, 1);
    postgres::Params params;
    for (const std::string& parameter : sql.parameters) params.Add(parameter);
    std::string plan;
    const absl::Status status = pool_.Transact(Deadline(), [&](postgres::Transaction& transaction) -> absl::Status {
      const absl::Status off = transaction.RunScript("SET LOCAL enable_seqscan = off");
      if (!off.ok()) return off;
      const auto rows = transaction.ExecuteSql(
          absl::StrCat("EXPLAIN SELECT t.device_id ", FromClause(source, sql.uses), " WHERE ", sql.text), params);
      if (!rows.ok()) return rows.status();
      plan.clear();
      for (const postgres::Row row : *rows) plan += row.Get<std::string>(0) + "\n";
      return absl::OkStatus();
    });
    EXPECT_THAT(status, testing::IsOk()) << sql.text;
    return plan;
  }

  postgres::Pool index_pool_;
  IndexStore store_{index_pool_, pool_};
};

TEST_F(IndexStoreTest, BuildsWhatIsDeclaredAndDropsTheRest) {
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const bool is_locked, store_.TryLock());
  ASSERT_TRUE(is_locked);
  const std::vector<QueryIndex> both = Wanted({"reported.fw.version", "properties.desired.[[it's]]"});
  ASSERT_EQ(both.size(), 4u);
  EXPECT_THAT(store_.Reconcile(both, {}), testing::IsOkAndHolds(4));
  EXPECT_EQ(Indexes().size(), 4u);
  EXPECT_THAT(store_.Reconcile(both, {}), testing::IsOkAndHolds(0));
  EXPECT_THAT(store_.Reconcile(Wanted({"reported.fw.version"}), {}), testing::IsOkAndHolds(0));
  EXPECT_EQ(Indexes().size(), 2u);
  EXPECT_THAT(store_.Reconcile({}, {}), testing::IsOkAndHolds(0));
  EXPECT_TRUE(Indexes().empty());
  FLEETCAST_EXPECT_OK(store_.Unlock());
}

TEST_F(IndexStoreTest, OneProcessAtATime) {
  postgres::Pool other_pool(index_pool_.options(), metrics_);
  IndexStore other(other_pool, pool_);
  EXPECT_THAT(store_.TryLock(), testing::IsOkAndHolds(true));
  EXPECT_THAT(other.TryLock(), testing::IsOkAndHolds(false));
  FLEETCAST_EXPECT_OK(store_.Unlock());
  EXPECT_THAT(other.TryLock(), testing::IsOkAndHolds(true));
  FLEETCAST_EXPECT_OK(other.Unlock());
}

TEST_F(IndexStoreTest, ConditionsUseTheIndexes) {
  const std::vector<std::string> paths = {"reported.fw.version"};
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const bool is_locked, store_.TryLock());
  ASSERT_TRUE(is_locked);
  const std::vector<QueryIndex> wanted = Wanted(paths);
  FLEETCAST_ASSERT_OK(store_.Reconcile(wanted, {}));
  for (const char* condition :
       {"properties.reported.fw.version = '2.1'", "properties.reported.fw.version IN ['2.1', '2.2']",
        "properties.reported.fw.version >= '2' AND properties.reported.fw.version < '3'",
        "NOT (properties.reported.fw.version != '2.1' OR tags.x != 2)",
        "STARTSWITH(properties.reported.fw.version, '2.')"}) {
    EXPECT_THAT(Plan(condition, paths), HasSubstr(wanted[0].name)) << condition;
  }
  for (const char* condition : {"properties.reported.fw.version = 3", "properties.reported.fw.version < 3.5"}) {
    EXPECT_THAT(Plan(condition, paths), HasSubstr(wanted[1].name)) << condition;
  }
  EXPECT_THAT(Plan("properties.reported.fw.version = '2.1'", {}), Not(HasSubstr("query_")));
  FLEETCAST_EXPECT_OK(store_.Unlock());
}

TEST_F(IndexStoreTest, ConditionsOnTagsUseTheirIndex) {
  for (const char* condition :
       {"tags.building = '43'", "tags.building IN ['43', '44'] AND tags.floor > 2", "ARRAY_CONTAINS(tags.roles, 'a')",
        "NOT (tags.building != '43' OR NOT tags.a.b = 1)", "(tags.a = 1 OR tags.b = 2) AND LOWER(tags.c) = 'x'"}) {
    EXPECT_THAT(Plan(condition, {}), HasSubstr("twin_tags")) << condition;
  }
}

TEST_F(IndexStoreTest, ConditionsOnDeviceIdsUseTheKey) {
  for (const char* condition : {"deviceId = 'x'", "DeviceId IN ['x', 'y']", "STARTSWITH(deviceId, 'p')"}) {
    EXPECT_THAT(Plan(condition, {}), HasSubstr("Index Cond")) << condition;
  }
}

TEST(IndexPathsTest, OnlyPathsInsideTheSections) {
  EXPECT_EQ(ParseIndexPaths({"reported.a.b", "properties.reported.a.b", "tags.x"})->size(), 2u);
  for (const char* text : {"deviceId", "tags", "reported", "a b", "", "properties.desired", "status"}) {
    EXPECT_THAT(ParseIndexPaths({text}), testing::StatusIs(absl::StatusCode::kInvalidArgument)) << text;
  }
}

}  // namespace
}  // namespace fleetcast::twin
