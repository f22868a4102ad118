#include "services/device_connection/hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "libs/testing/wait_for.h"
#include "services/device_connection/deliveries.h"
#include "services/device_connection/session_entry.h"
#include "services/device_connection/testing/hub_fixture.h"

namespace fleetcast::device_connection {
namespace {

using fleetcast::testing::WaitFor;
using ::testing::HasSubstr;
using testing::PlayedDispatcher;
using testing::PlayedEdge;
namespace pb = ::fleetcast::internal::v1;
using Result = pb::OpenSessionResult;

pb::CallReport SentReport(const pb::MethodCall& call, uint64_t sequence) {
  pb::CallReport report;
  report.set_sequence(sequence);
  report.set_call_id(call.call_id());
  report.mutable_sent()->set_session_epoch(call.epoch());
  return report;
}

pb::CallReport AnswerReport(const pb::MethodCall& call, uint64_t sequence) {
  pb::CallReport report;
  report.set_sequence(sequence);
  report.set_call_id(call.call_id());
  report.mutable_answer()->set_device_status(200);
  report.mutable_answer()->set_payload("{}");
  report.mutable_answer()->set_session_epoch(call.epoch());
  return report;
}

class HubTest : public testing::HubFixture {};

TEST_F(HubTest, ADeviceConnectsAndIsPresent) {
  const auto edge = NewEdge();
  const Result result = edge->Open(1, "dev-1", Token("dev-1"));
  EXPECT_EQ(result.code(), Result::CODE_ACCEPTED);
  EXPECT_EQ(result.epoch(), MakeEpoch(1, 1));
  EXPECT_FALSE(result.session_present());
  EXPECT_GT(result.token_expiry_unix_seconds(), 0);
  EXPECT_TRUE(AwaitPresence("dev-1", true));
  edge->Close(1, "dev-1", result.epoch());
  EXPECT_TRUE(AwaitPresence("dev-1", false));
}

TEST_F(HubTest, RefusalsSayWhy) {
  const auto edge = NewEdge();
  EXPECT_EQ(edge->Open(1, "dev-1", Token("dev-2")).code(), Result::CODE_NOT_AUTHORIZED);
  EXPECT_EQ(edge->Open(2, "unknown", Token("unknown")).code(), Result::CODE_NOT_AUTHORIZED);
  EXPECT_EQ(edge->Open(3, "dev-1", "hunter2").code(), Result::CODE_BAD_USER_OR_PASSWORD);
  EXPECT_EQ(edge->Open(4, "no/two/slashes", Token("dev-1")).code(), Result::CODE_BAD_IDENTIFIER);
  twin_.SetDisabled("dev-2", true);
  EXPECT_EQ(edge->Open(5, "dev-2", Token("dev-2")).code(), Result::CODE_DEVICE_DISABLED);
}

TEST_F(HubTest, AModuleHasASessionOfItsOwn) {
  const auto edge = NewEdge();
  EXPECT_EQ(edge->Open(1, "dev-1/mod", Token("dev-1/mod")).code(), Result::CODE_NOT_AUTHORIZED);
  twin_.AddDevice("dev-1/mod", key_);
  OpenAccepted(*edge, 3, "dev-1");
  const Result module = OpenAccepted(*edge, 4, "dev-1/mod");
  EXPECT_TRUE(AwaitPresence("dev-1/mod", true));
  // What one stores, calls or loses is not the other's.
  edge->Subscribe(4, "dev-1/mod", module.epoch(), kMethods);
  EXPECT_EQ(twin_.Record("dev-1/mod")->subscriptions(), kMethods);
  EXPECT_FALSE(twin_.Record("dev-1")->has_session());
  const auto dispatcher = NewDispatcher();
  dispatcher->Call(7, "dev-1/mod");
  const auto call = edge->AwaitCall(7);
  ASSERT_TRUE(call.has_value());
  EXPECT_EQ(call->session(), 4u);
  const Result again = OpenAccepted(*edge, 5, "dev-1/mod");
  EXPECT_TRUE(edge->AwaitDisconnect(4, module.epoch()));
  EXPECT_TRUE(again.session_present());
  edge->Close(5, "dev-1/mod", again.epoch());
  EXPECT_TRUE(AwaitPresence("dev-1/mod", false));
  EXPECT_TRUE(twin_.Presence("dev-1")->connected());
  dispatcher->Call(8, "dev-1/nobody");
  EXPECT_EQ(dispatcher->AwaitNotSent(8), pb::NOT_SENT_REASON_DEVICE_NOT_FOUND);
}

TEST_F(HubTest, ADependencyThatIsDownIsNeverTheDevicesFault) {
  const auto edge = NewEdge();
  twin_.SetAway(true);
  EXPECT_EQ(edge->Open(1, "dev-1", Token("dev-1")).code(), Result::CODE_UNAVAILABLE);
}

TEST_F(HubTest, KnownDevicesAreAdmittedFromTheCache) {
  const auto edge = NewEdge();
  OpenAccepted(*edge, 1, "dev-1");
  const int lookups = twin_.lookups();
  twin_.SetAway(true);
  OpenAccepted(*edge, 2, "dev-1");
  EXPECT_EQ(twin_.lookups(), lookups);
}

TEST_F(HubTest, ANewKeyWorksAtOnceAlthoughTheOldOneIsCached) {
  const auto edge = NewEdge();
  OpenAccepted(*edge, 1, "dev-1");
  twin_.AddDevice("dev-1", auth::Key::Generate());
  const std::string old_token = Token("dev-1");
  pb::DeviceChangeEvent change;
  change.set_device_id("dev-1");
  change.mutable_record();
  Publish(change);
  EXPECT_EQ(edge->Open(2, "dev-1", old_token).code(), Result::CODE_NOT_AUTHORIZED);
  twin_.AddDevice("dev-1", key_);
  OpenAccepted(*edge, 3, "dev-1");  // Without a word from twin: the refusal was looked up again.
}

TEST_F(HubTest, TheNewestConnectionWinsAndTheOldOneIsToldToGo) {
  const auto first = NewEdge("edge-0");
  const auto second = NewEdge("edge-1");
  const Result old_session = OpenAccepted(*first, 1, "dev-1");
  const Result new_session = OpenAccepted(*second, 1, "dev-1");
  EXPECT_GT(new_session.epoch(), old_session.epoch());
  EXPECT_TRUE(first->AwaitDisconnect(1, old_session.epoch()));
  // The late end of the old one changes nothing.
  first->Close(1, "dev-1", old_session.epoch());
  OpenAccepted(*first, 2, "dev-2");
  const auto dispatcher = NewDispatcher();
  dispatcher->Call(7, "dev-1");
  const auto call = second->AwaitCall(7);
  ASSERT_TRUE(call.has_value());
  EXPECT_EQ(call->epoch(), new_session.epoch());
}

TEST_F(HubTest, StoredSubscriptionsComeBack) {
  const auto edge = NewEdge();
  const Result first = OpenAccepted(*edge, 1, "dev-1");
  const pb::SubscriptionSaved saved = edge->Subscribe(1, "dev-1", first.epoch(), kMethods | kDesired);
  EXPECT_FALSE(saved.failed());
  EXPECT_EQ(saved.desired_version(), 1);
  EXPECT_EQ(twin_.Record("dev-1")->subscriptions(), kMethods | kDesired);
  edge->Close(1, "dev-1", first.epoch());
  const Result second = OpenAccepted(*edge, 2, "dev-1");
  EXPECT_TRUE(second.session_present());
  EXPECT_EQ(second.subscriptions(), kMethods | kDesired);
  // Also when only twin remembers.
  FlushRedis();
  const Result third = OpenAccepted(*edge, 3, "dev-1");
  EXPECT_TRUE(third.session_present());
  EXPECT_EQ(third.subscriptions(), kMethods | kDesired);
}

TEST_F(HubTest, ACleanSessionDeletesWhatIsStored) {
  const auto edge = NewEdge();
  const Result first = OpenAccepted(*edge, 1, "dev-1");
  edge->Subscribe(1, "dev-1", first.epoch(), kMethods);
  const Result clean = edge->Open(2, "dev-1", Token("dev-1"), true);
  EXPECT_EQ(clean.code(), Result::CODE_ACCEPTED);
  EXPECT_FALSE(clean.session_present());
  EXPECT_EQ(clean.subscriptions(), 0u);
  EXPECT_FALSE(twin_.Record("dev-1")->has_session());
}

TEST_F(HubTest, ASessionThatEndsWithItsConnectionIsResumedAndNotKept) {
  const auto edge = NewEdge();
  const Result first = OpenAccepted(*edge, 1, "dev-1");
  edge->Subscribe(1, "dev-1", first.epoch(), kMethods);
  pb::OpenSession ending;
  ending.set_session(2);
  ending.set_password(Token("dev-1"));
  ending.set_ends_with_connection(true);
  const Result resumed = edge->Open(ending, "dev-1");
  EXPECT_EQ(resumed.code(), Result::CODE_ACCEPTED);
  EXPECT_TRUE(resumed.session_present());
  EXPECT_EQ(resumed.subscriptions(), kMethods);
  EXPECT_FALSE(twin_.Record("dev-1")->has_session());
  edge->Close(2, "dev-1", resumed.epoch());
  const Result after = OpenAccepted(*edge, 3, "dev-1");
  EXPECT_FALSE(after.session_present());
  EXPECT_EQ(after.subscriptions(), 0u);
  // Nor when nothing was stored before.
  ending.set_session(4);
  EXPECT_EQ(edge->Open(ending, "dev-2").session_present(), false);
  EXPECT_EQ(OpenAccepted(*edge, 5, "dev-2").session_present(), false);
}

TEST_F(HubTest, ARenewalChecksTheTokenAndTouchesNothing) {
  const auto edge = NewEdge();
  const Result opened = OpenAccepted(*edge, 1, "dev-1");
  edge->Subscribe(1, "dev-1", opened.epoch(), kMethods);
  pb::OpenSession renewal;
  renewal.set_session(100);  // Another number, so that the result is not taken for the first one.
  renewal.set_renewed_epoch(opened.epoch());
  renewal.set_password(Token("dev-1"));
  const Result renewed = edge->Open(renewal, "dev-1");
  EXPECT_EQ(renewed.code(), Result::CODE_ACCEPTED);
  EXPECT_EQ(renewed.epoch(), opened.epoch());
  EXPECT_GT(renewed.token_expiry_unix_seconds(), 0);
  renewal.set_session(101);
  renewal.set_password(Token("dev-2"));
  EXPECT_EQ(edge->Open(renewal, "dev-1").code(), Result::CODE_NOT_AUTHORIZED);
  sessions::v1::GetSessionRequest request;
  sessions::v1::GetSessionResponse response;
  request.set_device_id("dev-1");
  grpc::ClientContext context;
  ASSERT_TRUE(sessions_->GetSession(&context, request, &response).ok());
  EXPECT_EQ(response.session().epoch(), opened.epoch());
  EXPECT_TRUE(twin_.Record("dev-1")->has_session());
}

TEST_F(HubTest, SubscriptionsThatCannotBeStoredAreSaidToHaveFailed) {
  const auto edge = NewEdge();
  const Result opened = OpenAccepted(*edge, 1, "dev-1");
  twin_.SetAway(true);
  EXPECT_TRUE(edge->Subscribe(1, "dev-1", opened.epoch(), kMethods).failed());
}

TEST_F(HubTest, ACallReachesTheDevicesEdgeAndItsEventsComeBack) {
  const auto edge = NewEdge();
  const auto dispatcher = NewDispatcher();
  const Result opened = OpenAccepted(*edge, 5, "dev-1");
  dispatcher->Call(7, "dev-1");
  const auto call = edge->AwaitCall(7);
  ASSERT_TRUE(call.has_value());
  EXPECT_EQ(call->session(), 5u);
  EXPECT_EQ(call->epoch(), opened.epoch());
  EXPECT_EQ(call->method(), "lockDoor");
  edge->Report(SentReport(*call, 1));
  EXPECT_TRUE(dispatcher->Await(7, pb::DeliverEvent::kSent).has_value());
  edge->Report(AnswerReport(*call, 2));
  const auto answer = dispatcher->Await(7, pb::DeliverEvent::kAnswer);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->answer().device_status(), 200);
  const auto taken = edge->stream().Await<bool>([](const pb::AttachResponse& response) -> std::optional<bool> {
    if (response.acknowledged_report_sequence() != 2) return std::nullopt;
    return true;
  });
  EXPECT_TRUE(taken.has_value());
}

TEST_F(HubTest, NotSentIsToldAtOnceWithItsReason) {
  const auto edge = NewEdge();
  const auto dispatcher = NewDispatcher();
  OpenAccepted(*edge, 1, "dev-1");
  twin_.AddDevice("off", key_);
  twin_.SetDisabled("off", true);
  dispatcher->Call(1, "dev-2");
  EXPECT_EQ(dispatcher->AwaitNotSent(1), pb::NOT_SENT_REASON_OFFLINE);
  dispatcher->Call(2, "nobody");
  EXPECT_EQ(dispatcher->AwaitNotSent(2), pb::NOT_SENT_REASON_DEVICE_NOT_FOUND);
  dispatcher->Call(3, "off");
  EXPECT_EQ(dispatcher->AwaitNotSent(3), pb::NOT_SENT_REASON_DEVICE_DISABLED);
}

TEST_F(HubTest, AWatchedDeviceIsReadyWhenItListensToMethods) {
  const auto edge = NewEdge();
  const auto dispatcher = NewDispatcher();
  dispatcher->Watch("dev-1");
  dispatcher->Watch("dev-2");
  const Result opened = OpenAccepted(*edge, 1, "dev-1");
  edge->Subscribe(1, "dev-1", opened.epoch(), kMethods);
  EXPECT_TRUE(dispatcher->AwaitReady("dev-1"));
  // One that listens already is ready at once.
  const auto late = NewDispatcher();
  late->Watch("dev-1");
  EXPECT_TRUE(late->AwaitReady("dev-1"));
  // A reconnect with stored subscriptions is enough.
  edge->Close(1, "dev-1", opened.epoch());
  ASSERT_TRUE(AwaitPresence("dev-1", false));
  const auto third = NewDispatcher();
  third->Watch("dev-1");
  OpenAccepted(*edge, 2, "dev-1");
  EXPECT_TRUE(third->AwaitReady("dev-1"));
}

TEST_F(HubTest, AFlushOfRedisDisconnectsNobodyAndReusesNoEpoch) {
  const auto edge = NewEdge();
  const auto dispatcher = NewDispatcher();
  const Result before = OpenAccepted(*edge, 1, "dev-1");
  FlushRedis();
  dispatcher->Call(7, "dev-1");
  EXPECT_TRUE(edge->AwaitCall(7).has_value());
  const Result after = OpenAccepted(*edge, 2, "dev-2");
  EXPECT_EQ(GenerationOf(after.epoch()), 2);
  EXPECT_EQ(twin_.generation(), 2);
  // The live session is entered again by its old epoch.
  ASSERT_TRUE(WaitFor([&] {
    const auto entry = redis_client_->Run({"GET", "fleetcast:session:dev-1"}, absl::Seconds(5));
    const auto decoded = entry.ok() ? DecodeSessionEntry(entry->text) : std::nullopt;
    return decoded.has_value() && decoded->epoch == before.epoch() && decoded->is_connected();
  }));
}

TEST_F(HubTest, ASessionThatAnOlderCopyOfRedisBringsBackEndsByItsEdgesWord) {
  const auto edge = NewEdge();
  const auto dispatcher = NewDispatcher();
  const Result opened = OpenAccepted(*edge, 1, "dev-1");
  const std::string key = "fleetcast:session:dev-1";
  const auto before = redis_client_->Run({"GET", key}, absl::Seconds(5));
  ASSERT_TRUE(before.ok());
  edge->Close(1, "dev-1", opened.epoch());
  ASSERT_TRUE(AwaitPresence("dev-1", false));
  FlushRedis();
  ASSERT_TRUE(redis_client_->Run({"SET", key, before->text}, absl::Seconds(5)).ok());
  const auto check =
      edge->stream().Await<pb::SessionCheck>([](const pb::AttachResponse& response) -> std::optional<pb::SessionCheck> {
        if (response.session_checks_size() == 0) return std::nullopt;
        return response.session_checks(0);
      });
  ASSERT_TRUE(check.has_value());
  EXPECT_EQ(check->session(), 1u);
  EXPECT_EQ(check->device_id(), "dev-1");
  EXPECT_EQ(check->epoch(), opened.epoch());
  dispatcher->Call(7, "dev-1");
  EXPECT_TRUE(edge->AwaitCall(7).has_value());  // Until its edge has said so, it counts as connected.
  edge->Close(1, check->device_id(), check->epoch());
  ASSERT_TRUE(WaitFor([&] {
    const auto entry = redis_client_->Run({"GET", key}, absl::Seconds(5));
    const auto decoded = entry.ok() ? DecodeSessionEntry(entry->text) : std::nullopt;
    return !decoded.has_value() || !decoded->is_connected();
  }));
  dispatcher->Call(8, "dev-1");
  EXPECT_EQ(dispatcher->AwaitNotSent(8), pb::NOT_SENT_REASON_OFFLINE);
}

TEST_F(HubTest, SessionsAreAnnouncedToAHubThatRestarted) {
  auto edge = NewEdge();
  const Result opened = OpenAccepted(*edge, 1, "dev-1");
  const Result other = OpenAccepted(*edge, 2, "dev-2");
  edge->Subscribe(1, "dev-1", opened.epoch(), kMethods | kDesired);
  edge.reset();
  StopHub();
  FlushRedis();
  twin_.SetDisabled("dev-2", true);
  StartHub();
  edge = NewEdge();
  edge->Announce(1, "dev-1", opened.epoch(), kMethods | kDesired);
  edge->Announce(2, "dev-2", other.epoch(), kMethods);
  EXPECT_TRUE(edge->AwaitDisconnect(2, other.epoch(), pb::DisconnectSession::REASON_ADMINISTRATIVE));
  const auto version = edge->stream().Await<int64_t>([](const pb::AttachResponse& response) -> std::optional<int64_t> {
    if (response.subscriptions_saved_size() == 0) return std::nullopt;
    return response.subscriptions_saved(0).desired_version();
  });
  EXPECT_EQ(version, 1);
  const auto dispatcher = NewDispatcher();
  dispatcher->Call(7, "dev-1");
  EXPECT_TRUE(edge->AwaitCall(7).has_value());
  EXPECT_GT(OpenAccepted(*edge, 3, "dev-1").epoch(), opened.epoch());
}

TEST_F(HubTest, AnAnnouncedSessionThatWasReplacedIsToldToGo) {
  auto first = NewEdge("edge-0");
  const auto second = NewEdge("edge-1");
  const Result old_session = OpenAccepted(*first, 1, "dev-1");
  first.reset();
  OpenAccepted(*second, 1, "dev-1");
  first = NewEdge("edge-0");
  first->Announce(1, "dev-1", old_session.epoch(), kMethods);
  EXPECT_TRUE(first->AwaitDisconnect(1, old_session.epoch()));
}

TEST_F(HubTest, ASlowEdgeSlowsItsOwnDevicesOnly) {
  PlayedEdge slow(*edges_, "edge-slow", std::string(32, 'a'), /*call_credit=*/1);
  const auto quick = NewEdge("edge-quick", 'b');
  const auto dispatcher = NewDispatcher();
  twin_.AddDevice("dev-3", key_);
  OpenAccepted(slow, 1, "dev-1");
  OpenAccepted(slow, 2, "dev-2");
  OpenAccepted(*quick, 1, "dev-3");
  dispatcher->Call(7, "dev-1");
  const auto call = slow.AwaitCall(7);
  ASSERT_TRUE(call.has_value());
  dispatcher->Call(8, "dev-2");  // The edge has said nothing of the first one.
  EXPECT_EQ(dispatcher->AwaitNotSent(8), pb::NOT_SENT_REASON_OVERLOADED);
  dispatcher->Call(9, "dev-3");
  EXPECT_TRUE(quick->AwaitCall(9).has_value());
  slow.Report(SentReport(*call, 1));
  ASSERT_TRUE(dispatcher->Await(7, pb::DeliverEvent::kSent).has_value());
  dispatcher->Call(10, "dev-2");
  EXPECT_TRUE(slow.AwaitCall(10).has_value());
}

TEST_F(HubTest, ADispatcherIsToldItsCredit) {
  const auto dispatcher = NewDispatcher();
  const auto credit = dispatcher->stream().Await<int64_t>([](const pb::DeliverResponse& response) {
    return response.credit() > 0 ? std::optional(response.credit()) : std::nullopt;
  });
  EXPECT_EQ(credit, Deliveries::kDispatcherCredit);
}

TEST_F(HubTest, CallsSurviveTheLossOfTheEdgesStream) {
  auto edge = NewEdge();
  const auto dispatcher = NewDispatcher();
  const Result opened = OpenAccepted(*edge, 1, "dev-1");
  dispatcher->Call(7, "dev-1");
  const auto call = edge->AwaitCall(7);
  ASSERT_TRUE(call.has_value());
  edge = NewEdge();  // The same life, attached again: the first stream is ended.
  edge->Announce(1, "dev-1", opened.epoch(), kMethods);
  edge->Report(SentReport(*call, 1));
  edge->Report(AnswerReport(*call, 2));
  EXPECT_TRUE(dispatcher->Await(7, pb::DeliverEvent::kSent).has_value());
  EXPECT_TRUE(dispatcher->Await(7, pb::DeliverEvent::kAnswer).has_value());
}

TEST_F(HubTest, ARestartedEdgeLosesItsCallsAndSessions) {
  auto edge = NewEdge("edge-0", 'a');
  const auto dispatcher = NewDispatcher();
  OpenAccepted(*edge, 1, "dev-1");
  dispatcher->Call(7, "dev-1");
  ASSERT_TRUE(edge->AwaitCall(7).has_value());
  edge = NewEdge("edge-0", 'b');
  const auto unknown = dispatcher->Await(7, pb::DeliverEvent::kUnknown);
  ASSERT_TRUE(unknown.has_value());
  EXPECT_EQ(unknown->unknown().reason(), pb::UNKNOWN_REASON_EDGE_LOST);
  EXPECT_TRUE(AwaitPresence("dev-1", false));
  dispatcher->Call(8, "dev-1");
  EXPECT_EQ(dispatcher->AwaitNotSent(8), pb::NOT_SENT_REASON_OFFLINE);
}

TEST_F(HubTest, ASilentEdgeIsTakenForDeadWhenItsLeaseIsOver) {
  StopHub();
  config_.edge_lease = absl::Seconds(1);
  StartHub();
  auto edge = NewEdge();
  const auto dispatcher = NewDispatcher();
  OpenAccepted(*edge, 1, "dev-1");
  ASSERT_TRUE(AwaitPresence("dev-1", true));
  dispatcher->Call(7, "dev-1");
  ASSERT_TRUE(edge->AwaitCall(7).has_value());
  edge.reset();
  EXPECT_TRUE(dispatcher->Await(7, pb::DeliverEvent::kUnknown).has_value());
  EXPECT_TRUE(AwaitPresence("dev-1", false));
}

TEST_F(HubTest, EventsWaitForADispatcherThatComesBack) {
  const auto edge = NewEdge();
  auto dispatcher = NewDispatcher();
  OpenAccepted(*edge, 1, "dev-1");
  dispatcher->Call(7, "dev-1");
  const auto call = edge->AwaitCall(7);
  ASSERT_TRUE(call.has_value());
  dispatcher.reset();
  // What is written to a stream while it breaks is lost, as on any stream.
  ASSERT_TRUE(WaitFor([&] { return absl::StrContains(metrics_.Text(), "fleetcast_delivery_dispatchers 0\n"); }));
  edge->Report(AnswerReport(*call, 1));
  dispatcher = NewDispatcher();
  EXPECT_TRUE(dispatcher->Await(7, pb::DeliverEvent::kAnswer).has_value());
}

TEST_F(HubTest, DesiredChangesGoToListenersInOrder) {
  const auto edge = NewEdge();
  const Result opened = OpenAccepted(*edge, 1, "dev-1");
  edge->Subscribe(1, "dev-1", opened.epoch(), kDesired);
  for (const int64_t version : {2, 3}) {
    pb::DeviceChangeEvent change;
    change.set_device_id("dev-1");
    change.mutable_desired()->set_version(version);
    change.mutable_desired()->set_patch("{}");
    Publish(change);
  }
  std::vector<int64_t> versions;
  edge->stream().Await<bool>([&](const pb::AttachResponse& response) -> std::optional<bool> {
    for (const pb::DesiredChange& change : response.desired_changes()) {
      EXPECT_EQ(change.epoch(), opened.epoch());
      if (versions.empty() || versions.back() < change.version()) versions.push_back(change.version());
    }
    if (versions.size() < 2) return std::nullopt;
    return true;
  });
  EXPECT_THAT(versions, ::testing::ElementsAre(2, 3));
}

TEST_F(HubTest, ADisabledDeviceIsDisconnected) {
  const auto edge = NewEdge();
  const Result opened = OpenAccepted(*edge, 1, "dev-1");
  twin_.SetDisabled("dev-1", true);
  pb::DeviceChangeEvent change;
  change.set_device_id("dev-1");
  change.mutable_record()->set_disconnect(true);
  Publish(change);
  EXPECT_TRUE(edge->AwaitDisconnect(1, opened.epoch(), pb::DisconnectSession::REASON_ADMINISTRATIVE));
  EXPECT_EQ(edge->Open(2, "dev-1", Token("dev-1")).code(), Result::CODE_DEVICE_DISABLED);
}

TEST_F(HubTest, ARecreatedDeviceSeesNothingOfTheOldOne) {
  const auto edge = NewEdge();
  const Result opened = OpenAccepted(*edge, 1, "dev-1");
  edge->Subscribe(1, "dev-1", opened.epoch(), kMethods);
  edge->Close(1, "dev-1", opened.epoch());
  twin_.RemoveDevice("dev-1");
  pb::DeviceChangeEvent change;
  change.set_device_id("dev-1");
  change.mutable_record()->set_disconnect(true);
  Publish(change);
  twin_.AddDevice("dev-1", key_);
  const Result fresh = OpenAccepted(*edge, 2, "dev-1");
  EXPECT_EQ(fresh.subscriptions(), 0u);
}

TEST_F(HubTest, TwinOperationsAreAnswered) {
  const auto edge = NewEdge();
  const Result opened = OpenAccepted(*edge, 1, "dev-1");
  pb::AttachRequest request;
  pb::TwinRead* read = request.add_twin_reads();
  read->set_session(1);
  read->set_device_id("dev-1");
  read->set_epoch(opened.epoch());
  read->set_request_id("r1");
  for (const char* patch : {"{}", "7"}) {
    pb::ReportedPatch* reported = request.add_reported_patches();
    reported->set_session(1);
    reported->set_device_id("dev-1");
    reported->set_epoch(opened.epoch());
    reported->set_request_id(patch);
    reported->set_patch(patch);
  }
  edge->stream().Write(request);
  const auto document = edge->stream().Await<pb::TwinReadResult>(
      [](const pb::AttachResponse& response) -> std::optional<pb::TwinReadResult> {
        if (response.twin_read_results_size() == 0) return std::nullopt;
        return response.twin_read_results(0);
      });
  ASSERT_TRUE(document.has_value());
  EXPECT_EQ(document->status(), 200);
  EXPECT_EQ(document->request_id(), "r1");
  const auto await_patch = [&](const std::string& request_id) {
    return edge->stream().Await<pb::ReportedPatchResult>(
        [&](const pb::AttachResponse& response) -> std::optional<pb::ReportedPatchResult> {
          for (const pb::ReportedPatchResult& result : response.reported_patch_results()) {
            if (result.request_id() == request_id) return result;
          }
          return std::nullopt;
        });
  };
  EXPECT_EQ(await_patch("{}")->status(), 204);
  const auto refused = await_patch("7");
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->status(), 400);
  EXPECT_NE(refused->error().find("\"errorCode\":400001"), std::string::npos) << refused->error();
}

TEST_F(HubTest, AnEdgeWithoutAProperHelloIsCutOff) {
  testing::PlayedStream<pb::AttachRequest, pb::AttachResponse> stream(
      [&](grpc::ClientContext* context) { return edges_->Attach(context); });
  pb::AttachRequest request;
  request.mutable_hello()->set_edge_id("Not An Edge");
  stream.Write(request);
  EXPECT_TRUE(stream.AwaitEnd());
}

TEST_F(HubTest, SessionsOfModulesAreShownAndClosedAsTheirs) {
  twin_.AddDevice("dev-1/mod", key_);
  const auto edge = NewEdge();
  const Result opened = OpenAccepted(*edge, 1, "dev-1/mod");
  sessions::v1::GetSessionRequest request;
  sessions::v1::GetSessionResponse response;
  request.set_device_id("dev-1");
  grpc::ClientContext device;
  EXPECT_EQ(sessions_->GetSession(&device, request, &response).error_code(), grpc::StatusCode::NOT_FOUND);
  request.set_module_id("mod");
  grpc::ClientContext module;
  ASSERT_TRUE(sessions_->GetSession(&module, request, &response).ok());
  EXPECT_EQ(response.session().device_id(), "dev-1");
  EXPECT_EQ(response.session().module_id(), "mod");
  EXPECT_EQ(response.session().epoch(), opened.epoch());
  grpc::ClientContext list;
  sessions::v1::ListSessionsResponse listed;
  ASSERT_TRUE(sessions_->ListSessions(&list, sessions::v1::ListSessionsRequest(), &listed).ok());
  ASSERT_EQ(listed.sessions_size(), 1);
  EXPECT_EQ(listed.sessions(0).module_id(), "mod");
  sessions::v1::DisconnectSessionRequest order;
  sessions::v1::DisconnectSessionResponse done;
  order.set_device_id("dev-1");
  order.set_module_id("mod");
  grpc::ClientContext disconnect;
  ASSERT_TRUE(sessions_->DisconnectSession(&disconnect, order, &done).ok());
  EXPECT_TRUE(edge->AwaitDisconnect(1, opened.epoch(), pb::DisconnectSession::REASON_ADMINISTRATIVE));
}

TEST_F(HubTest, SessionsAreShownAndClosedOnRequest) {
  const auto edge = NewEdge();
  const Result opened = OpenAccepted(*edge, 1, "dev-1");
  grpc::ClientContext get;
  sessions::v1::GetSessionRequest request;
  sessions::v1::GetSessionResponse response;
  request.set_device_id("dev-1");
  ASSERT_TRUE(sessions_->GetSession(&get, request, &response).ok());
  EXPECT_EQ(response.session().epoch(), opened.epoch());
  EXPECT_EQ(response.session().edge_id(), "edge-0");
  grpc::ClientContext absent;
  request.set_device_id("dev-2");
  EXPECT_EQ(sessions_->GetSession(&absent, request, &response).error_code(), grpc::StatusCode::NOT_FOUND);
  grpc::ClientContext list;
  sessions::v1::ListSessionsResponse listed;
  ASSERT_TRUE(sessions_->ListSessions(&list, sessions::v1::ListSessionsRequest(), &listed).ok());
  ASSERT_EQ(listed.sessions_size(), 1);
  EXPECT_EQ(listed.sessions(0).device_id(), "dev-1");
  grpc::ClientContext forged;
  sessions::v1::ListSessionsRequest with_token;
  with_token.set_page_token("forged");
  EXPECT_EQ(sessions_->ListSessions(&forged, with_token, &listed).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  grpc::ClientContext disconnect;
  sessions::v1::DisconnectSessionRequest order;
  sessions::v1::DisconnectSessionResponse done;
  order.set_device_id("dev-1");
  ASSERT_TRUE(sessions_->DisconnectSession(&disconnect, order, &done).ok());
  EXPECT_TRUE(edge->AwaitDisconnect(1, opened.epoch(), pb::DisconnectSession::REASON_ADMINISTRATIVE));
}

}  // namespace
}  // namespace fleetcast::device_connection
