// Merges in SQL against ApplyEdit: generated patches over generated twins must give the same documents, metadata,
// versions and etags, and refuse the same twins.
#include <map>
#include <random>
#include <set>

#include "libs/base/status_macros.h"
#include "libs/json/twin_rules.h"
#include "services/twin/store/merge_writer.h"
#include "services/twin/store/store_fixture.h"
#include "services/twin/store/twin_writer.h"

namespace fleetcast::twin {
namespace {

using postgres::Result;
using postgres::Row;
using postgres::Statement;
using postgres::Transaction;

// Sections and patches; every key may be there or not, be null, change its type.
class Generator {
 public:
  explicit Generator(uint32_t seed) : random_(seed) {}

  size_t Below(size_t limit) { return std::uniform_int_distribution<size_t>(0, limit - 1)(random_); }

  std::string Object(int depth, bool is_patch) {
    static constexpr const char* kKeys[] = {"a",   "b",   "0",      "1",    "\\\"q\\\"", "back\\\\slash",
                                            "c,d", "{}",  "\u00fc", "it's", "\\u00e9",   "NULL",
                                            "-",   "ключ"};
    std::string out = "{";
    for (const char* key : kKeys) {
      if (Below(3) != 0) continue;
      if (out.size() > 1) out += ",";
      out += std::string("\"") + key + "\":" + Member(depth, is_patch);
    }
    return out + "}";
  }

  // A string of about `bytes`; half of them compress well.
  std::string Filler(size_t bytes) {
    if (Below(2) == 0) return std::string(bytes, 'x');
    std::string out;
    while (out.size() < bytes) out += static_cast<char>('a' + Below(26));
    return out;
  }

 private:
  std::string Member(int depth, bool is_patch) {
    static constexpr const char* kLeaves[] = {"0",
                                              "1",
                                              "1.0",
                                              "-0.50",
                                              "1e3",
                                              "true",
                                              "false",
                                              "\"\"",
                                              "\"\\u0001\\n\"",
                                              "\"$v\"",
                                              "\"é\"",
                                              "[]",
                                              "[1,[2,{\"x\":true}]]",
                                              "4503599627370495"};
    if (is_patch && Below(4) == 0) return "null";
    if (depth > 0 && Below(2) == 0) return Object(depth - 1, is_patch);
    return kLeaves[Below(std::size(kLeaves))];
  }

  std::mt19937 random_;
};

constexpr Statement kCompare{
    "test_compare",
    "SELECT t.etag, t.version, t.desired_version, t.tags::text AS tags, t.desired::text AS desired, "
    "t.desired_metadata::text AS metadata, ($2::jsonb)::text AS want_tags, ($3::jsonb)::text AS want_desired, "
    "($4::jsonb)::text AS want_metadata FROM twin.twin AS t WHERE device_id = $1"};

class MergePropertyTest : public StoreTest {
 protected:
  static constexpr int kTwins = 40;

  // Twins as `make` gives them; their ids.
  std::vector<std::string> CreateTwins(const std::function<void(TwinState&)>& make) {
    std::vector<NewDevice> devices;
    std::vector<std::string> ids;
    for (int i = 0; i < kTwins; ++i) {
      NewDevice device = Device("d" + std::to_string(1000 * round_ + i));
      make(device.twin);
      expected_[device.settings.device_id] = device.twin;
      ids.push_back(device.settings.device_id);
      devices.push_back(std::move(device));
    }
    ++round_;
    EXPECT_THAT(DeviceStore(pool_).Create(Deadline(), devices), testing::IsOk());
    std::sort(ids.begin(), ids.end());
    return ids;
  }

  // Writes as SliceStore does: SQL first, what it leaves in C++. Counts what SQL has written.
  void Write(const std::vector<std::string>& ids, const TwinEdit& edit, const EtagCondition& condition) {
    const absl::Status written = pool_.Transact(Deadline(), [&](Transaction& transaction) -> absl::Status {
      FLEETCAST_ASSIGN_OR_RETURN(const absl::Time now, MergeWriter::PlanByKey(transaction));
      FLEETCAST_ASSIGN_OR_RETURN(const std::vector<std::string> left,
                                 merges_.Merge(transaction, ids, edit, condition, now));
      in_sql_ += static_cast<int>(ids.size() - left.size());
      std::set<std::string> others(left.begin(), left.end());
      for (const std::string& id : ids) {
        if (others.contains(id)) continue;
        TwinState& state = expected_.at(id);
        EXPECT_TRUE(condition.Matches(TwinEtag(static_cast<uint64_t>(state.etag))));
        EXPECT_THAT(ApplyEdit(edit, now, state), testing::IsOk()) << id;
      }
      FLEETCAST_ASSIGN_OR_RETURN(const std::vector<absl::Status> statuses,
                                 EditTwins(transaction, left, edit, condition));
      for (const absl::Status& status : statuses) refused_ += status.ok() ? 0 : 1;
      left_ = std::move(others);
      return absl::OkStatus();
    });
    ASSERT_THAT(written, testing::IsOk());
    for (const std::string& id : ids) Compare(id);
  }

  // What the C++ way wrote has a time of its own: only what SQL wrote can be foretold.
  void Compare(const std::string& id) {
    const TwinState& state = expected_.at(id);
    FLEETCAST_ASSERT_OK_AND_ASSIGN(
        const Result rows, pool_.Run(Deadline(), kCompare, id, json::Print(state.tags), json::Print(state.desired),
                                     json::Print(state.desired_metadata)));
    const Row row = rows[0];
    if (left_.contains(id)) return Reread(id, row);
    EXPECT_EQ(row.Get<int64_t>("version"), state.version);
    EXPECT_EQ(row.Get<int64_t>("desired_version"), state.desired_version);
    EXPECT_EQ(row.Get<std::string>("tags"), row.Get<std::string>("want_tags"));
    EXPECT_EQ(row.Get<std::string>("desired"), row.Get<std::string>("want_desired"));
    EXPECT_EQ(row.Get<std::string>("metadata"), row.Get<std::string>("want_metadata"));
  }

  void Reread(const std::string& id, const Row& row) {
    TwinState& state = expected_.at(id);
    state.etag = row.Get<int64_t>("etag");
    state.version = row.Get<int64_t>("version");
    state.desired_version = row.Get<int64_t>("desired_version");
    state.tags = *json::Parse(row.Get<std::string>("tags"));
    state.desired = *json::Parse(row.Get<std::string>("desired"));
    state.desired_metadata = *json::Parse(row.Get<std::string>("metadata"));
  }

  MergeWriter merges_;
  std::map<std::string, TwinState> expected_;
  std::set<std::string> left_;  // By SQL, in the last Write.
  int round_ = 0;
  int in_sql_ = 0;
  int refused_ = 0;
};

TEST_F(MergePropertyTest, DoesWhatApplyEditDoes) {
  Generator generator(20'261'125);
  for (int round = 0; round < 6; ++round) {
    const std::vector<std::string> ids = CreateTwins([&](TwinState& state) {
      const TwinEdit edit = *ParseReplacement(generator.Object(3, false), generator.Object(3, false));
      EXPECT_THAT(ApplyEdit(edit, absl::FromUnixSeconds(1'700'000'000), state), testing::IsOk());
      state.desired_version += static_cast<int64_t>(generator.Below(3));
    });
    for (int patch = 0; patch < 25; ++patch) {
      const std::string tags = generator.Below(3) == 0 ? "" : generator.Object(2, true);
      const std::string desired = generator.Below(5) == 0 ? "" : generator.Object(2, true);
      SCOPED_TRACE(tags + " " + desired);
      ASSERT_NO_FATAL_FAILURE(Write(ids, *ParseMerge(tags, desired), EtagCondition::Parse("*")));
    }
  }
  // Nearly every patch is small enough to be written in SQL on every twin.
  EXPECT_GT(in_sql_, 6 * 25 * kTwins * 3 / 4);
}

TEST_F(MergePropertyTest, LimitsHold) {
  Generator generator(7);
  const std::vector<std::string> ids = CreateTwins([&](TwinState& state) {
    std::string tags = "{\"n\":1", desired = "{\"n\":1";
    for (int i = 0; i < 2; ++i)
      tags += ",\"t" + std::to_string(i) + "\":\"" + generator.Filler(2000 + generator.Below(1900)) + "\"";
    for (int i = 0; i < 8; ++i)
      desired += ",\"d" + std::to_string(i) + "\":\"" + generator.Filler(3000 + generator.Below(1000)) + "\"";
    EXPECT_THAT(ApplyEdit(*ParseReplacement(tags + "}", desired + "}"), absl::Now(), state), testing::IsOk());
  });
  for (int patch = 0; patch < 12; ++patch) {
    const std::string filler = generator.Filler(generator.Below(1200));
    const std::string text = "{\"p" + std::to_string(patch) + "\":\"" + filler + "\"}";
    ASSERT_NO_FATAL_FAILURE(
        Write(ids, patch % 2 == 0 ? *ParseMerge(text, "") : *ParseMerge("", text), EtagCondition::Parse("")));
    for (const std::string& id : ids) {
      EXPECT_LE(json::TwinSize(expected_.at(id).tags), json::kTagsSizeMax);
      EXPECT_LE(json::TwinSize(expected_.at(id).desired), json::kPropertiesSizeMax);
    }
  }
  EXPECT_GT(in_sql_, 0);
  EXPECT_GT(refused_, 0);
}

TEST_F(MergePropertyTest, ConditionsAreExact) {
  Generator generator(11);
  const std::vector<std::string> ids =
      CreateTwins([&](TwinState& state) { state.etag = static_cast<int64_t>(1 + generator.Below(2)); });
  const TwinEdit edit = *ParseMerge("", R"({"n":1})");
  int matching = 0;
  for (const auto& [id, state] : expected_) matching += state.etag == 2 ? 1 : 0;
  ASSERT_NO_FATAL_FAILURE(Write(ids, edit, EtagCondition::Parse(TwinEtag(2))));
  EXPECT_EQ(in_sql_, matching);
  EXPECT_EQ(refused_, kTwins - matching);
  for (const std::string& id : ids) EXPECT_NE(expected_.at(id).etag, 2) << id;
}

TEST_F(MergePropertyTest, WhatSqlCannotDoIsLeft) {
  const std::vector<std::string> ids = CreateTwins([](TwinState&) {});
  std::string wide = "{";
  for (int i = 0; i < 20; ++i) wide += (i > 0 ? ",\"k" : "\"k") + std::to_string(i) + "\":{}";
  for (const TwinEdit& edit : {*ParseMerge("null", ""), *ParseMerge("", "null"), *ParseReplacement("{}", "{}"),
                               *ParseMerge("", wide + "}"), *ParseMerge("", "")}) {
    ASSERT_NO_FATAL_FAILURE(Write(ids, edit, EtagCondition::Parse("*")));
  }
  EXPECT_EQ(in_sql_, 0);
}

}  // namespace
}  // namespace fleetcast::twin
