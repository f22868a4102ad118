// The services over gRPC, on a private PostgreSQL.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fleetcast/internal/v1/device_feed.grpc.pb.h"
#include "libs/base/strings.h"
#include "libs/json/json.h"
#include "libs/model/reasons.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/wait_for.h"
#include "services/twin/service_fixture.h"

namespace fleetcast::twin {
namespace {

namespace internal_pb = ::fleetcast::internal::v1;
using registry::v1::Device;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;

TEST_F(ServiceTest, CreatesDevicesWithKeysOfTheirOwn) {
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const Device device, Create("dev-1"));
  EXPECT_EQ(device.primary_key().size(), 44u);
  EXPECT_NE(device.primary_key(), device.secondary_key());
  EXPECT_EQ(device.status(), Device::STATUS_ENABLED);
  EXPECT_EQ(device.authentication_type(), Device::AUTHENTICATION_TYPE_SAS);
  EXPECT_FALSE(device.etag().empty());
  EXPECT_FALSE(device.has_status_update_time());
  EXPECT_THAT(Create("dev-1"), StatusIs(absl::StatusCode::kAlreadyExists, reasons::kDeviceAlreadyExists));
}

TEST_F(ServiceTest, RefusesBadDevices) {
  for (const std::string id : {"", "a b", "a/b", "a+b", "a#b"}) {
    EXPECT_THAT(Create(id), StatusIs(absl::StatusCode::kInvalidArgument, reasons::kInvalidDeviceId)) << id;
  }
  EXPECT_THAT(Create("a", [](Device& d) { d.set_primary_key("a2V5LW9uZS1rZXktb25l"); }),
              StatusIs(absl::StatusCode::kInvalidArgument, reasons::kInvalidKey));
  EXPECT_THAT(Create("a", [](Device& d) { d.set_primary_key("c2hvcnQ="), d.set_secondary_key("c2hvcnQ="); }),
              StatusIs(absl::StatusCode::kInvalidArgument, reasons::kInvalidKey));
  EXPECT_THAT(Create("a", [](Device& d) { d.set_primary_thumbprint("xyz"); }),
              StatusIs(absl::StatusCode::kInvalidArgument, reasons::kInvalidKey));
  EXPECT_THAT(Create("a", [](Device& d) { d.set_status_reason(std::string(129, 'x')); }),
              StatusIs(absl::StatusCode::kInvalidArgument, reasons::kInvalidValue));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const Device device,
                                 Create("a", [](Device& d) { d.set_primary_thumbprint(std::string(40, 'a')); }));
  EXPECT_EQ(device.authentication_type(), Device::AUTHENTICATION_TYPE_SELF_SIGNED);
}

TEST_F(ServiceTest, ListsInPagesAndHidesKeys) {
  for (const char* id : {"a", "b", "c"}) FLEETCAST_ASSERT_OK(Create(id));
  registry::v1::ListDevicesRequest request;
  request.set_page_size(2);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto first,
                                 Call(*devices_, &registry::v1::DeviceService::Stub::ListDevices, request));
  ASSERT_EQ(first.devices_size(), 2);
  EXPECT_EQ(first.devices(0).primary_key(), "");
  request.set_page_token(first.next_page_token());
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto rest,
                                 Call(*devices_, &registry::v1::DeviceService::Stub::ListDevices, request));
  ASSERT_EQ(rest.devices_size(), 1);
  EXPECT_EQ(rest.devices(0).id(), "c");
  EXPECT_EQ(rest.devices(0).primary_key(), "");
  EXPECT_EQ(rest.next_page_token(), "");
  request.set_page_token("forged");
  EXPECT_THAT(Call(*devices_, &registry::v1::DeviceService::Stub::ListDevices, request),
              StatusIs(absl::StatusCode::kInvalidArgument, reasons::kInvalidPageToken));
}

TEST_F(ServiceTest, EachChangeOfABatchStandsForItself) {
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const Device old, Create("old"));
  registry::v1::BatchChangeDevicesRequest request;
  const auto add = [&](const std::string& id, registry::v1::DeviceChange::Kind kind) {
    registry::v1::DeviceChange& change = *request.add_changes();
    change.set_kind(kind);
    change.mutable_device()->set_id(id);
    return &change;
  };
  using Change = registry::v1::DeviceChange;
  add("new", Change::KIND_CREATE)->set_tags(R"({"site":"munich"})");
  add("old", Change::KIND_CREATE);
  add("bad id", Change::KIND_CREATE);
  add("new", Change::KIND_DELETE);
  add("nobody", Change::KIND_DELETE);
  add("tags", Change::KIND_CREATE)->set_tags(R"({"a.b":1})");
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto response,
                                 Call(*devices_, &registry::v1::DeviceService::Stub::BatchChangeDevices, request));
  ASSERT_EQ(response.devices_size(), 1);
  EXPECT_EQ(response.devices(0).id(), "new");
  std::vector<std::string> errors;
  for (const auto& error : response.errors()) errors.push_back(absl::StrCat(error.index(), " ", error.reason()));
  EXPECT_THAT(errors, ElementsAre("1 DEVICE_ALREADY_EXISTS", "2 INVALID_DEVICE_ID", "3 DEVICE_DEFINED_TWICE",
                                  "4 DEVICE_NOT_FOUND", "5 INVALID_TWIN"));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto found, Query("SELECT deviceId FROM devices WHERE tags.site = 'munich'"));
  EXPECT_THAT(found.rows(), ElementsAre(R"({"deviceId":"new"})"));
}

TEST_F(ServiceTest, PatchesAndReplacesTwins) {
  FLEETCAST_ASSERT_OK(Create("a"));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(twins::v1::Twin twin,
                                 Patch("a", R"({"building":43})", R"({"x":{"y":1}})", "\"AAAAAAAAAAE=\""));
  EXPECT_EQ(twin.etag(), "AAAAAAAAAAI=");
  EXPECT_EQ(twin.version(), 3);
  EXPECT_EQ(twin.desired_version(), 2);
  const json::Value document = *json::Parse(twin.document());
  EXPECT_EQ(json::Print(*document.Find("tags")), R"({"building":43})");
  EXPECT_EQ(document.FindPath({"properties", "desired", "x", "y"})->AsInt(), 1);
  EXPECT_EQ(document.FindPath({"properties", "desired", "$metadata", "x", "y", "$lastUpdatedVersion"})->AsInt(), 2);
  EXPECT_THAT(Patch("a", R"({"z":1})", "", "AAAAAAAAAAE="),
              StatusIs(absl::StatusCode::kAborted, reasons::kEtagMismatch));
  EXPECT_THAT(Patch("a", R"({"z":)", ""), StatusIs(absl::StatusCode::kInvalidArgument, json::kInvalidJson));
  EXPECT_THAT(Patch("a", "", R"({"a":"\u0000"})"), StatusIs(absl::StatusCode::kInvalidArgument, json::kInvalidJson));
  EXPECT_THAT(Patch("a", "", R"({"a":[null]})"), StatusIs(absl::StatusCode::kInvalidArgument, reasons::kInvalidTwin));
  EXPECT_THAT(Patch("b", "{}", ""), StatusIs(absl::StatusCode::kNotFound, reasons::kDeviceNotFound));
  twins::v1::ReplaceTwinRequest request;
  request.set_device_id("a");
  request.set_desired(R"({"n":1})");
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto replaced,
                                 Call(*twins_, &twins::v1::TwinService::Stub::ReplaceTwin, request));
  EXPECT_EQ(json::Parse(replaced.twin().document())->Find("tags"), nullptr);
  EXPECT_EQ(replaced.twin().desired_version(), 3);
}

TEST_F(ServiceTest, QueriesPageByKeyUnderTop) {
  for (const char* id : {"a", "b", "c", "d", "e"}) FLEETCAST_ASSERT_OK(Create(id));
  std::vector<std::string> seen;
  std::string token;
  int pages = 0;
  do {
    FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto page, Query("SELECT TOP 4 deviceId AS id FROM devices", 3, token));
    EXPECT_EQ(page.row_kind(), twins::v1::QueryTwinsResponse::ROW_KIND_RAW);
    for (const std::string& row : page.rows()) seen.push_back(row);
    token = page.next_page_token();
    ++pages;
  } while (!token.empty());
  EXPECT_EQ(pages, 2);
  EXPECT_THAT(seen, ElementsAre(R"({"id":"a"})", R"({"id":"b"})", R"({"id":"c"})", R"({"id":"d"})"));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto page, Query("SELECT * FROM devices", 2));
  EXPECT_EQ(page.row_kind(), twins::v1::QueryTwinsResponse::ROW_KIND_TWIN);
  EXPECT_THAT(Query("SELECT * FROM devices WHERE 1 = 1", 2, page.next_page_token()),
              StatusIs(absl::StatusCode::kInvalidArgument, reasons::kInvalidPageToken));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto count, Query("SELECT COUNT() AS n FROM devices"));
  EXPECT_THAT(count.rows(), ElementsAre(R"({"n":5})"));
  EXPECT_THAT(Query("SELECT * FROM devices ORDER BY deviceId"),
              StatusIs(absl::StatusCode::kInvalidArgument, reasons::kInvalidQuery));
  EXPECT_THAT(Query("SELECT * FROM devices", -1), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(ServiceTest, StreamsAndCountsTargets) {
  for (const char* id : {"c", "a", "b"}) FLEETCAST_ASSERT_OK(Create(id));
  FLEETCAST_ASSERT_OK(Patch("a", R"({"on":true})", ""));
  FLEETCAST_ASSERT_OK(Patch("c", R"({"on":true})", ""));
  auto stub = internal_pb::TargetService::NewStub(channel_);
  internal_pb::StreamTargetsRequest request;
  request.set_condition("tags.on = true");
  grpc::ClientContext context;
  auto reader = stub->StreamTargets(&context, request);
  internal_pb::StreamTargetsResponse page;
  ASSERT_TRUE(reader->Read(&page));
  EXPECT_THAT(page.device_ids(), ElementsAre("a", "c"));
  EXPECT_FALSE(reader->Read(&page));
  EXPECT_TRUE(reader->Finish().ok());
  internal_pb::CountTargetsRequest count;
  count.set_condition("*");
  count.set_sample_size(2);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto counted,
                                 Call(*stub, &internal_pb::TargetService::Stub::CountTargets, count));
  EXPECT_EQ(counted.count(), 3);
  EXPECT_EQ(counted.connected_count(), 0);
  EXPECT_THAT(counted.sample_device_ids(), ElementsAre("a", "b"));
  count.set_condition("tags.on = = 1");
  const auto refused = Call(*stub, &internal_pb::TargetService::Stub::CountTargets, count);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument, reasons::kInvalidCondition));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("Line 1:11"));
}

TEST_F(ServiceTest, APermitThatLastsTooLongCommitsNothing) {
  FLEETCAST_ASSERT_OK(Create("a"));
  auto stub = internal_pb::TwinWriteService::NewStub(channel_);
  grpc::ClientContext context;
  auto stream = stub->WriteSlices(&context);
  internal_pb::WriteSlicesRequest request;
  internal_pb::TwinSlice& slice = *request.add_slices();
  slice.set_job_seq(8);
  slice.add_device_ids("a");
  slice.set_desired_patch(R"({"n":1})");
  const auto write = [&](absl::Duration permit) {
    slice.set_permit_expire_unix_micros(absl::ToUnixMicros(absl::Now() + permit));
    EXPECT_TRUE(stream->Write(request));
    internal_pb::WriteSlicesResponse response;
    EXPECT_TRUE(stream->Read(&response));
    return response.results_size() == 1 ? response.results(0).disposition()
                                        : internal_pb::TwinSliceResult::DISPOSITION_UNSPECIFIED;
  };
  EXPECT_EQ(write(absl::Seconds(90)), internal_pb::TwinSliceResult::DISPOSITION_NOT_APPLIED);
  EXPECT_EQ(write(absl::Seconds(-1)), internal_pb::TwinSliceResult::DISPOSITION_NOT_APPLIED);
  EXPECT_EQ(write(absl::Seconds(10)), internal_pb::TwinSliceResult::DISPOSITION_APPLIED);
  // What was applied stays applied, whatever clock asks.
  EXPECT_EQ(write(absl::Seconds(90)), internal_pb::TwinSliceResult::DISPOSITION_APPLIED);
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(ServiceTest, WritesSlicesOnceOverTheStream) {
  FLEETCAST_ASSERT_OK(Create("a"));
  auto stub = internal_pb::TwinWriteService::NewStub(channel_);
  grpc::ClientContext context;
  auto stream = stub->WriteSlices(&context);
  internal_pb::WriteSlicesRequest request;
  internal_pb::TwinSlice& slice = *request.add_slices();
  slice.set_job_seq(7);
  slice.add_device_ids("a");
  slice.add_device_ids("gone");
  slice.set_desired_patch(R"({"n":1})");
  for (int repeat = 0; repeat < 2; ++repeat) {
    ASSERT_TRUE(stream->Write(request));
    internal_pb::WriteSlicesResponse response;
    ASSERT_TRUE(stream->Read(&response));
    ASSERT_EQ(response.results_size(), 1);
    EXPECT_EQ(response.results(0).disposition(), internal_pb::TwinSliceResult::DISPOSITION_APPLIED);
    ASSERT_EQ(response.results(0).failures_size(), 1);
    EXPECT_EQ(response.results(0).failures(0).index(), 1);
    EXPECT_EQ(response.results(0).failures(0).code(), "404001");
  }
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const twins::v1::Twin twin, Patch("a", "{}", ""));
  EXPECT_EQ(twin.desired_version(), 2);
}

TEST_F(ServiceTest, AnswersReportedPatchesAsDevicesReadThem) {
  FLEETCAST_ASSERT_OK(Create("a"));
  auto stub = internal_pb::DeviceRecordService::NewStub(channel_);
  internal_pb::PatchReportedRequest request;
  for (const char* patch : {R"({"x":1})", "{", "null", R"({"a.b":1})", R"({"x":2})"}) {
    internal_pb::ReportedChange& change = *request.add_changes();
    change.set_device_id("a");
    change.set_session_epoch(3);
    change.set_patch(patch);
  }
  request.add_changes()->set_device_id("nobody");
  request.mutable_changes(5)->set_patch("{}");
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto response,
                                 Call(*stub, &internal_pb::DeviceRecordService::Stub::PatchReported, request));
  std::vector<int> statuses;
  for (const auto& result : response.results()) statuses.push_back(result.status());
  EXPECT_THAT(statuses, ElementsAre(204, 400, 400, 400, 204, 404));
  EXPECT_EQ(response.results(4).version(), 3);
}

TEST_F(ServiceTest, TellsDeviceConnectionWhatChanged) {
  // A consumer that is new hears what comes after it is known: try until it is.
  int probe = 0;
  ASSERT_TRUE(
      testing::WaitFor([&] { return Create(absl::StrCat("probe", ++probe)).ok() && !consumer_.heard().empty(); }));
  FLEETCAST_ASSERT_OK(Create("a"));
  FLEETCAST_ASSERT_OK(Patch("a", R"({"only":"tags"})", ""));
  FLEETCAST_ASSERT_OK(Patch("a", "", R"({"x":1,"gone":null})"));
  FLEETCAST_ASSERT_OK(Patch("a", "", R"({"x":2})"));
  registry::v1::DeleteDeviceRequest request;
  request.set_device_id("a");
  FLEETCAST_ASSERT_OK(Call(*devices_, &registry::v1::DeviceService::Stub::DeleteDevice, request));
  const auto heard_of_a = [&] {
    std::vector<std::string> heard = consumer_.heard();
    std::erase_if(heard, [](const std::string& each) { return each.rfind("a ", 0) != 0; });
    return heard;
  };
  EXPECT_TRUE(testing::WaitFor([&] { return heard_of_a().size() >= 4; }));
  EXPECT_THAT(heard_of_a(), ElementsAre("a record", R"(a {"x":1,"gone":null,"$version":2})",
                                        R"(a {"x":2,"$version":3})", "a disconnect"));
}

}  // namespace
}  // namespace fleetcast::twin
