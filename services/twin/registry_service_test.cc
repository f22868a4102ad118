// Modules, imports and exports over gRPC.
#include <map>

#include "absl/strings/str_cat.h"
#include "libs/json/json.h"
#include "libs/model/reasons.h"
#include "services/twin/service_fixture.h"

namespace fleetcast::twin {
namespace {

namespace registry_pb = ::fleetcast::registry::v1;
using ::testing::HasSubstr;
using testing::IsOk;
using ::testing::Not;
using testing::StatusIs;

class RegistryServiceTest : public ServiceTest {
 protected:
  absl::StatusOr<registry_pb::Module> CreateModule(const std::string& device, const std::string& module) {
    registry_pb::CreateModuleRequest request;
    request.mutable_module()->set_device_id(device);
    request.mutable_module()->set_id(module);
    auto response = Call(*modules_, &registry_pb::ModuleService::Stub::CreateModule, request);
    if (!response.ok()) return response.status();
    return response->module();
  }

  // All lines of an export, and what the first response says.
  absl::StatusOr<std::vector<std::string>> Export(const registry_pb::ExportDevicesRequest& request = {}) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
    const auto reader = devices_->ExportDevices(&context, request);
    std::vector<std::string> lines;
    registry_pb::ExportDevicesResponse response;
    while (reader->Read(&response)) {
      lines.insert(lines.end(), response.lines().begin(), response.lines().end());
      resume_tokens_.push_back(response.resume_token());
    }
    const absl::Status status = rpc::FromGrpc(reader->Finish());
    if (!status.ok()) return status;
    return lines;
  }

  // Sends each list of lines as one request; gives the answers.
  absl::StatusOr<std::vector<registry_pb::ImportDevicesResponse>> Import(
      const std::vector<std::vector<std::string>>& batches) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(30)));
    const auto stream = devices_->ImportDevices(&context);
    std::vector<registry_pb::ImportDevicesResponse> answers;
    for (const std::vector<std::string>& batch : batches) {
      registry_pb::ImportDevicesRequest request;
      for (const std::string& line : batch) request.add_lines(line);
      if (!stream->Write(request) || !stream->Read(&answers.emplace_back())) break;
    }
    stream->WritesDone();
    const absl::Status status = rpc::FromGrpc(stream->Finish());
    if (!status.ok()) return status;
    return answers;
  }

  std::vector<std::string> resume_tokens_;
};

// A line without what an import cannot bring back: the identity's etag is always new.
std::string WithoutEtag(const std::string& line) {
  json::Value value = *json::Parse(line);
  value.Remove("eTag");
  return json::Print(value);
}

std::vector<std::string> WithoutEtags(const std::vector<std::string>& lines) {
  std::vector<std::string> out;
  for (const std::string& line : lines) out.push_back(WithoutEtag(line));
  return out;
}

TEST_F(RegistryServiceTest, ModulesAreResourcesOfTheirOwn) {
  EXPECT_THAT(CreateModule("d", "m"), StatusIs(absl::StatusCode::kNotFound, reasons::kDeviceNotFound));
  FLEETCAST_ASSERT_OK(Create("d"));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const registry_pb::Module module, CreateModule("d", "m"));
  EXPECT_EQ(module.primary_key().size(), 44u);
  EXPECT_THAT(CreateModule("d", "m"), StatusIs(absl::StatusCode::kAlreadyExists, reasons::kModuleAlreadyExists));
  registry_pb::ListModulesRequest list;
  list.set_device_id("d");
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto listed,
                                 Call(*modules_, &registry_pb::ModuleService::Stub::ListModules, list));
  ASSERT_EQ(listed.modules_size(), 1);
  EXPECT_EQ(listed.modules(0).primary_key(), "");
  registry_pb::GetModuleRequest get;
  get.set_device_id("d");
  EXPECT_THAT(Call(*modules_, &registry_pb::ModuleService::Stub::GetModule, get),
              StatusIs(absl::StatusCode::kNotFound));
  get.set_module_id("m");
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto read, Call(*modules_, &registry_pb::ModuleService::Stub::GetModule, get));
  EXPECT_EQ(read.module().primary_key(), module.primary_key());
  twins::v1::PatchTwinRequest patch;
  patch.set_device_id("d");
  patch.set_module_id("m");
  patch.set_desired_patch(R"({"a":1})");
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto twin, Call(*twins_, &twins::v1::TwinService::Stub::PatchTwin, patch));
  EXPECT_EQ(twin.twin().module_id(), "m");
  EXPECT_THAT(twin.twin().document(), HasSubstr(R"("moduleId":"m")"));
  registry_pb::DeleteModuleRequest remove;
  remove.set_device_id("d");
  remove.set_module_id("m");
  FLEETCAST_ASSERT_OK(Call(*modules_, &registry_pb::ModuleService::Stub::DeleteModule, remove));
  EXPECT_THAT(Call(*twins_, &twins::v1::TwinService::Stub::PatchTwin, patch),
              StatusIs(absl::StatusCode::kNotFound, reasons::kModuleNotFound));
}

// A clock that a look at takes a while: so counting seems to take one step.
class SteppingClock final : public Clock {
 public:
  absl::Time Now() override { return absl::UnixEpoch() + now_; }
  absl::Duration Monotonic() override { return now_ += absl::Milliseconds(10); }
  bool Sleep(absl::Duration, std::stop_token) override { return false; }
  void Pass(absl::Duration time) { now_ += time; }

 private:
  absl::Duration now_;
};

TEST_F(RegistryServiceTest, ACountIsKeptForTenTimesAsLongAsItTook) {
  SteppingClock clock;
  DeviceStatistics statistics(stores_->devices, clock);
  const auto total = [&] { return statistics.Get(absl::Now() + absl::Seconds(10))->total; };
  FLEETCAST_ASSERT_OK(Create("a"));
  EXPECT_EQ(total(), 1);
  FLEETCAST_ASSERT_OK(Create("b"));
  EXPECT_EQ(total(), 1);  // 10 ms later.
  clock.Pass(absl::Milliseconds(60));
  EXPECT_EQ(total(), 1);  // 80 ms later.
  clock.Pass(absl::Milliseconds(30));
  EXPECT_EQ(total(), 2);
}

TEST_F(RegistryServiceTest, AnExportPutBackIsTheSame) {
  for (int i = 0; i < 600; ++i) {
    FLEETCAST_ASSERT_OK(Create(absl::StrCat("d", i), [i](registry_pb::Device& device) {
      if (i % 3 == 0) device.set_status(registry_pb::Device::STATUS_DISABLED), device.set_status_reason("stolen");
      if (i % 5 == 0) device.set_primary_thumbprint(std::string(64, 'a'));
      if (i % 7 == 0) device.set_iot_edge(true);
    }));
    if (i % 10 == 0) {
      FLEETCAST_ASSERT_OK(CreateModule(absl::StrCat("d", i), "m"));
    }
    if (i % 4 == 0) {
      FLEETCAST_ASSERT_OK(Patch(absl::StrCat("d", i), R"({"b":"43"})", R"({"x":{"y":1.50}})"));
    }
  }
  FLEETCAST_ASSERT_OK(stores_->reported.Apply(absl::Now() + absl::Seconds(10),
                                              {{"d1", 1, *json::Parse(R"({"fw":"2","l":[1,2]})"), 0}}));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<std::string> before, Export());
  ASSERT_EQ(before.size(), 660u);
  EXPECT_THAT(before[2], HasSubstr("primaryKey\":\""));

  // Into what is there already: nothing to do.
  FLEETCAST_ASSERT_OK_AND_ASSIGN(auto answers, Import({before}));
  EXPECT_EQ(answers[0].unchanged(), 660);
  EXPECT_EQ(answers[0].errors_size(), 0);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<std::string> same, Export());
  EXPECT_EQ(same, before);

  std::vector<std::string> deletions;
  for (int i = 0; i < 600; ++i) deletions.push_back(absl::StrCat(R"({"id":"d)", i, R"(","importMode":"delete"})"));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(answers, Import({deletions}));
  EXPECT_EQ(answers[0].deleted(), 600);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<std::string> nothing, Export());
  EXPECT_TRUE(nothing.empty());

  FLEETCAST_ASSERT_OK_AND_ASSIGN(
      answers, Import({{before.begin(), before.begin() + 100}, {before.begin() + 100, before.end()}}));
  EXPECT_EQ(answers[0].created() + answers[1].created(), 660);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<std::string> after, Export());
  std::vector<std::string> want = WithoutEtags(before), got = WithoutEtags(after);
  for (std::vector<std::string>* lines : {&want, &got}) {  // The scope of an edge gateway names its generation.
    for (std::string& line : *lines) {
      json::Value value = *json::Parse(line);
      value.Remove("deviceScope");
      line = json::Print(value);
    }
  }
  EXPECT_EQ(got, want);
}

TEST_F(RegistryServiceTest, AnExportGoesOnWhereItWasLeft) {
  std::vector<std::string> lines;
  for (int i = 0; i < 700; ++i) {
    lines.push_back(absl::StrCat(R"({"id":"d)", i, R"(","tags":{"a":")", std::string(4000, 'x'), R"("}})"));
  }
  FLEETCAST_ASSERT_OK(Import({lines}));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<std::string> all, Export());
  ASSERT_EQ(all.size(), 700u);
  ASSERT_GE(resume_tokens_.size(), 3u);
  registry_pb::ExportDevicesRequest request;
  request.set_resume_token(resume_tokens_[0]);
  request.set_exclude_keys(true);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<std::string> rest, Export(request));
  EXPECT_LT(rest.size(), 700u);
  EXPECT_GT(rest.size(), 300u);
  EXPECT_EQ(json::Parse(rest.back())->Find("id")->AsString(), json::Parse(all.back())->Find("id")->AsString());
  EXPECT_THAT(rest[0], HasSubstr(R"("primaryKey":null)"));
  request.set_resume_token("forged");
  EXPECT_THAT(Export(request), StatusIs(absl::StatusCode::kInvalidArgument, reasons::kInvalidPageToken));
}

TEST_F(RegistryServiceTest, AnImportSaysWhichLinesFailed) {
  FLEETCAST_ASSERT_OK(Create("old"));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(
      const auto answers,
      Import({{R"({"id":"a"})", "", "\xff\xfe", R"({"id":"old","importMode":"create"})", R"({"id":"x","moduleId":"m"})",
               R"({"id":"a","importMode":"updateTwin","tags":{"k":1}})", R"({"id":"a","moduleId":"m"})"}}));
  const registry_pb::ImportDevicesResponse& answer = answers[0];
  EXPECT_EQ(answer.created(), 2);
  EXPECT_EQ(answer.updated(), 1);
  std::map<int, std::string> reasons;
  for (const registry_pb::ImportError& error : answer.errors()) reasons[error.index()] = error.reason();
  EXPECT_EQ(reasons,
            (std::map<int, std::string>{{2, "INVALID_JSON"}, {3, "DEVICE_ALREADY_EXISTS"}, {4, "DEVICE_NOT_FOUND"}}));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<std::string> lines, Export());
  EXPECT_THAT(lines[0], HasSubstr(R"("tags":{"k":1})"));
  std::vector<std::string> many(1001, R"({"id":"a"})");
  EXPECT_THAT(Import({many}), StatusIs(absl::StatusCode::kInvalidArgument, reasons::kInvalidValue));
}

}  // namespace
}  // namespace fleetcast::twin
