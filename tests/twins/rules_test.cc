// Each rule has to fail on a small history that is spoiled in one place.
#include "tests/twins/rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "tests/twins/state.h"

namespace fleetcast::twin_history {
namespace {

using ::testing::Contains;
using ::testing::Field;
using ::testing::IsEmpty;

json::Value Json(std::string_view text) {
  absl::StatusOr<json::Value> value = json::Parse(text);
  FLEETCAST_CHECK(value.ok());
  return *std::move(value);
}

// Three service patches, a slice of a job and two reported patches on one twin, one after another.
class TwinRulesTest : public ::testing::Test {
 protected:
  TwinRulesTest() {
    now_.device = "a";
    now_.etag = 1;
    now_.version = 2;
    now_.desired_version = 1;
    now_.reported_version = 1;
    now_.tags = now_.desired = now_.reported = now_.desired_metadata = Json("{}");
    Stamp(now_);
    history_.initial.push_back(now_);
    Write(Kind::kMerge, "w1", 0);
    Write(Kind::kReported, "w2", 7);
    Write(Kind::kJob, "w3", 0);
    Write(Kind::kMerge, "w1", 0);
    history_.operations.back().if_etag = now_.etag - 1;
    Write(Kind::kReported, "w2", 8);
    Write(Kind::kMerge, "w4", 0);
    Read();
  }

  void Stamp(Snapshot& snapshot) {
    snapshot.begin = time_ += absl::Milliseconds(1);
    snapshot.end = time_ += absl::Milliseconds(1);
  }

  void Write(Kind kind, const std::string& key, int64_t epoch) {
    Operation operation;
    operation.kind = kind;
    operation.device = "a";
    operation.key = key;
    operation.token = absl::StrCat("t", history_.operations.size());
    operation.epoch = epoch;
    const json::Value patch =
        Json(absl::StrCat(R"({")", key, R"(":")", operation.token, R"(","shared":")", operation.token, R"("})"));
    (kind == Kind::kReported ? operation.reported : operation.desired) = patch;
    State state = StateOf(now_);
    Apply(operation, state);
    now_.etag = state.etag;
    now_.desired = state.desired;
    now_.reported = state.reported;
    if (state.desired_version > now_.desired_version) {
      history_.feed.push_back({"a", state.desired_version, patch});
      now_.desired_metadata.Set("$lastUpdatedVersion", json::Value::Int(state.desired_version));
      now_.desired_metadata.Set(key, Json(absl::StrCat(R"({"$lastUpdatedVersion":)", state.desired_version, "}")));
    }
    now_.desired_version = state.desired_version;
    now_.reported_version = state.reported_version;
    ++now_.version;
    Stamp(now_);
    operation.begin = now_.begin;
    operation.end = now_.end;
    operation.result = Result::kOk;
    if (kind == Kind::kReported) operation.reported_version = now_.reported_version;
    if (kind == Kind::kMerge) operation.after = now_;
    history_.operations.push_back(operation);
  }

  void Read() {
    Stamp(now_);
    history_.reads.push_back(now_);
  }

  // The rules that the history breaks.
  std::vector<std::string> Broken() {
    std::vector<std::string> rules;
    for (const Violation& violation : Check(history_)) rules.push_back(violation.rule);
    return rules;
  }

  absl::Duration time_;
  Snapshot now_;
  History history_;
};

TEST_F(TwinRulesTest, AGoodHistoryBreaksNone) { EXPECT_THAT(Broken(), IsEmpty()); }

TEST_F(TwinRulesTest, AWriteOfUnknownEndMayBeThereOrNot) {
  history_.operations.back().result = Result::kUnknown;
  history_.operations.back().after.reset();
  EXPECT_THAT(Broken(), IsEmpty());
  Write(Kind::kMerge, "w9", 0);
  history_.operations.back() = history_.operations.front();
  history_.operations.back().token = "never";
  history_.operations.back().result = Result::kUnknown;
  history_.operations.back().after.reset();
  history_.feed.pop_back();
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(TwinRulesTest, ALostUpdateIsT1) {
  history_.operations.back().after->desired.Remove("w3");  // The slice of the job is gone.
  history_.reads.back().desired.Remove("w3");
  EXPECT_THAT(Broken(), Contains("T1"));
}

TEST_F(TwinRulesTest, ARefusedWriteThatIsThereIsT1) {
  history_.operations[2].result = Result::kRefused;
  EXPECT_THAT(Broken(), Contains("T1"));
}

TEST_F(TwinRulesTest, AVersionThatIsLeftOutIsT2) {
  history_.reads.back().version += 1;
  EXPECT_THAT(Broken(), Contains("T2"));
}

TEST_F(TwinRulesTest, AVersionGivenTwiceIsT2) {
  Operation again = history_.operations.front();
  again.token = "again";
  history_.operations.push_back(again);
  EXPECT_THAT(Broken(), Contains("T2"));
}

TEST_F(TwinRulesTest, MetadataOfAnotherVersionIsT2) {
  history_.operations[3].after->desired_metadata.Set("$lastUpdatedVersion", json::Value::Int(2));
  EXPECT_THAT(Broken(), Contains("T2"));
}

TEST_F(TwinRulesTest, AConditionalWriteOnAnotherEtagIsT3) {
  history_.operations[3].if_etag -= 1;
  EXPECT_THAT(Broken(), Contains("T3"));
}

TEST_F(TwinRulesTest, AReadThatGoesBackIsT4) {
  history_.reads.push_back(*history_.operations.front().after);
  Stamp(history_.reads.back());
  EXPECT_THAT(Broken(), Contains("T4"));
}

TEST_F(TwinRulesTest, TwoStatesOfOneVersionAreT4) {
  history_.reads.push_back(history_.reads.back());
  history_.reads.back().tags = Json(R"({"x":1})");
  EXPECT_THAT(Broken(), Contains("T4"));
}

TEST_F(TwinRulesTest, AGapInTheFeedIsT5) {
  history_.feed.erase(history_.feed.begin() + 1);
  EXPECT_THAT(Broken(), Contains("T5"));
}

TEST_F(TwinRulesTest, AFeedThatTellsSomethingElseIsT5) {
  history_.feed.back().patch = Json(R"({"x":1})");
  EXPECT_THAT(Broken(), Contains("T5"));
}

TEST_F(TwinRulesTest, AReportedVersionGivenTwiceIsT7) {
  history_.operations[4].reported_version = history_.operations[1].reported_version;
  EXPECT_THAT(Broken(), Contains("T7"));
}

TEST_F(TwinRulesTest, ASliceThatIsNotThereIsT8) {
  Operation slice = history_.operations[2];
  slice.token = "missing";
  history_.operations.push_back(slice);
  EXPECT_THAT(Broken(), Contains("T8"));
}

TEST_F(TwinRulesTest, AnOversizedSectionIsT9) {
  history_.reads.back().tags = json::Value::MakeObject();
  for (int i = 0; i < 9; ++i) {
    history_.reads.back().tags.Set(absl::StrCat("k", i), json::Value::String(std::string(1000, 'x')));
  }
  EXPECT_THAT(Broken(), Contains("T9"));
}

TEST_F(TwinRulesTest, AnOlderSessionAfterANewerOneIsT10) {
  history_.operations[4].epoch = 6;
  EXPECT_THAT(Broken(), Contains("T10"));
}

}  // namespace
}  // namespace fleetcast::twin_history
