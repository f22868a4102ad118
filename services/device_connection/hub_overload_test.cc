// Identities that connect, or are refused, over and over.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "services/device_connection/testing/hub_fixture.h"

namespace fleetcast::device_connection {
namespace {

using ::testing::AllOf;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Lt;
using testing::PlayedEdge;
namespace pb = ::fleetcast::internal::v1;
using Result = pb::OpenSessionResult;

class HubOverloadTest : public testing::HubFixture {
 protected:
  void StartWith(const std::function<void(Config&)>& change) {
    StopHub();
    change(config_);
    StartHub();
  }

  // What is wrong about dev-1's connects in all of these tests.
  std::string WrongToken() const { return Token("dev-2"); }

  Result Refused(PlayedEdge& edge) {
    const Result result = edge.Open(++session_, "dev-1", WrongToken());
    EXPECT_EQ(result.code(), Result::CODE_NOT_AUTHORIZED);
    return result;
  }

  uint64_t session_ = 100;
};

TEST_F(HubOverloadTest, DTk4ADeviceThatConnectsTooOftenHasToWait) {
  StartWith([](Config& config) {
    config.connects_per_minute = 60;  // One more a second.
    config.connects_burst = 2;
  });
  const auto edge = NewEdge();
  const auto is_held = [&] { return metrics_.Text().find("fleetcast_session_holds_total 0\n") == std::string::npos; };
  for (uint64_t session = 1; session <= 100 && !is_held(); ++session) OpenAccepted(*edge, session, "dev-1");
  EXPECT_TRUE(is_held());
  EXPECT_THAT(metrics_.Text(), HasSubstr("fleetcast_session_holds_total 1\n"));
  OpenAccepted(*edge, 200, "dev-2");
  EXPECT_THAT(metrics_.Text(), HasSubstr("fleetcast_session_holds_total 1\n"));
}

TEST_F(HubOverloadTest, DCa2RefusalsAreHeldWhenThereAreTooMany) {
  StartWith([](Config& config) { config.refusals_per_minute = 1; });
  const auto edge = NewEdge();
  EXPECT_EQ(Refused(*edge).hold_milliseconds(), 0);
  EXPECT_THAT(Refused(*edge).hold_milliseconds(), AllOf(Ge(5'000), Lt(20'000)));
  EXPECT_THAT(metrics_.Text(), HasSubstr("fleetcast_session_refusal_holds_total 1\n"));
  // Q21: who has the key is let in at once.
  EXPECT_EQ(OpenAccepted(*edge, 1, "dev-1").hold_milliseconds(), 0);
  EXPECT_THAT(metrics_.Text(), HasSubstr("fleetcast_session_holds_total 0\n"));
}

TEST_F(HubOverloadTest, TheSameWrongWordsAreNotLookedUpAgain) {
  StartWith([](Config& config) { config.refusals_per_minute = 1; });
  const auto edge = NewEdge();
  Refused(*edge);
  Refused(*edge);
  const int lookups = twin_.lookups();
  for (int i = 0; i < 5; ++i) Refused(*edge);
  EXPECT_EQ(twin_.lookups(), lookups);
  EXPECT_THAT(metrics_.Text(), HasSubstr("fleetcast_session_refusals_repeated_total 5\n"));
  // Other words are.
  EXPECT_EQ(edge->Open(1, "dev-1", Token("dev-3")).code(), Result::CODE_NOT_AUTHORIZED);
  EXPECT_GT(twin_.lookups(), lookups);
}

TEST_F(HubOverloadTest, AChangeOfTheDeviceEndsItsRefusals) {
  StartWith([](Config& config) { config.refusals_per_minute = 1; });
  const auto edge = NewEdge();
  twin_.SetDisabled("dev-1", true);
  for (uint64_t session = 1; session <= 3; ++session) {
    EXPECT_EQ(edge->Open(session, "dev-1", Token("dev-1")).code(), Result::CODE_DEVICE_DISABLED);
  }
  EXPECT_THAT(metrics_.Text(), HasSubstr("fleetcast_session_refusals_repeated_total 1\n"));
  twin_.SetDisabled("dev-1", false);
  PublishRecord("dev-1");
  OpenAccepted(*edge, 4, "dev-1");
}

TEST_F(HubOverloadTest, WhatIsDownIsNeverTheDevicesFault) {
  StartWith([](Config& config) { config.refusals_per_minute = 1; });
  const auto edge = NewEdge();
  twin_.SetAway(true);
  for (uint64_t session = 1; session <= 5; ++session) {
    const Result result = edge->Open(session, "dev-1", Token("dev-1"));
    EXPECT_EQ(result.code(), Result::CODE_UNAVAILABLE);
    EXPECT_EQ(result.hold_milliseconds(), 0);
  }
  twin_.SetAway(false);
  EXPECT_EQ(Refused(*edge).hold_milliseconds(), 0);  // The first.
}

}  // namespace
}  // namespace fleetcast::device_connection
