// The way back of answers that devices wait to be taken (M5).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/device_connection/testing/hub_fixture.h"

namespace fleetcast::device_connection {
namespace {

using testing::PlayedDispatcher;
using testing::PlayedEdge;
namespace pb = ::fleetcast::internal::v1;

constexpr uint64_t kCall = 7;
constexpr uint64_t kSession = 5;

class HubTakenTest : public testing::HubFixture {
 protected:
  static void Take(PlayedDispatcher& dispatcher, uint64_t call_id) {
    pb::DeliverRequest request;
    pb::TakenAnswer* taken = request.add_taken_answers();
    taken->set_call_id(call_id);
    taken->set_session(kSession);
    dispatcher.stream().Write(request);
  }

  // The call whose answer was taken, of the first such message to the edge.
  static std::optional<uint64_t> AwaitTaken(PlayedEdge& edge) {
    return edge.stream().Await<uint64_t>([](const pb::AttachResponse& response) -> std::optional<uint64_t> {
      if (response.taken_answers_size() == 0) return std::nullopt;
      EXPECT_EQ(response.taken_answers(0).session(), kSession);
      return response.taken_answers(0).call_id();
    });
  }
};

TEST_F(HubTakenTest, TellsTheEdgeThatReportedTheAnswerAndAllWhenItDoesNotKnow) {
  const auto edge = NewEdge("edge-0");
  const auto other = NewEdge("edge-1");
  const auto dispatcher = NewDispatcher();
  OpenAccepted(*edge, kSession, "dev-1");
  OpenAccepted(*other, kSession, "dev-2");
  dispatcher->Call(kCall, "dev-1");
  ASSERT_TRUE(edge->AwaitCall(kCall).has_value());
  pb::CallReport report;
  report.set_sequence(1);
  report.set_call_id(kCall);
  report.mutable_answer()->set_waiting_session(kSession);
  edge->Report(report);
  const auto event = dispatcher->Await(kCall, pb::DeliverEvent::kAnswer);
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->answer().waiting_session(), kSession);
  Take(*dispatcher, kCall);
  EXPECT_EQ(AwaitTaken(*edge), kCall);
  // The first that the other one hears is about a call that this process has not pushed, which goes to all.
  Take(*dispatcher, kCall + 1);
  EXPECT_EQ(AwaitTaken(*other), kCall + 1);
}

}  // namespace
}  // namespace fleetcast::device_connection
