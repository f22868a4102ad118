#include "services/twin/import_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/model/reasons.h"
#include "services/twin/export_line.h"
#include "services/twin/restored_row.h"

namespace fleetcast::twin {
namespace {

using Kind = RegistryChange::Kind;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

class ImportLineTest : public ::testing::Test {
 protected:
  RegistryChange Read(std::string_view line) {
    ImportLine read = ReadImportLine(line, vault_, kNow);
    EXPECT_TRUE(read.change.ok()) << read.change.status();
    return read.change.ok() ? *std::move(read.change) : RegistryChange();
  }
  std::string ReasonOf(std::string_view line) { return GetReason(ReadImportLine(line, vault_, kNow).change.status()); }

  const KeyVault vault_ = KeyVault::ForTests();
};

TEST_F(ImportLineTest, ReadsWhatIotHubExports) {
  const RegistryChange change =
      Read(R"({"id":"d","eTag":"MQ==","importMode":"create","status":"disabled","statusReason":"sold",)"
           R"("authentication":{"symmetricKey":{"primaryKey":"MDEyMzQ1Njc4OWFiY2RlZg==",)"
           R"("secondaryKey":"ZmVkY2JhOTg3NjU0MzIxMA=="},"type":"sas",)"
           R"("x509Thumbprint":{"primaryThumbprint":null,"secondaryThumbprint":null}},"twinETag":"AAAAAAAAAAE=",)"
           R"("tags":{"a":1},"properties":{)"
           R"("desired":{"$metadata":{"$lastUpdated":"2026-01-01T00:00:00Z"},"$version":1},)"
           R"("reported":{"$metadata":{"$lastUpdated":"2026-01-01T00:00:00Z"},"$version":1}},)"
           R"("capabilities":{"iotEdge":true}})");
  EXPECT_EQ(change.kind, Kind::kCreate);
  EXPECT_TRUE(change.device.settings.is_disabled);
  EXPECT_TRUE(change.device.settings.is_iot_edge);
  EXPECT_EQ(change.device.settings.status_reason, "sold");
  EXPECT_EQ(vault_.Open({"d", ""}, change.device.settings.keys)->primary, "MDEyMzQ1Njc4OWFiY2RlZg==");
  EXPECT_EQ(json::Print(change.device.twin.tags), R"({"a":1})");
}

TEST_F(ImportLineTest, TakesEitherCaseOfAFirstLetterAndAnyModeInAnyCase) {
  const RegistryChange change = Read(R"({"Id":"d","ImportMode":"UPDATEIFMATCHETAG","ETag":"MQ==","Status":"Enabled"})");
  EXPECT_EQ(change.kind, Kind::kUpdate);
  EXPECT_TRUE(change.condition.Matches("MQ=="));
  EXPECT_FALSE(change.condition.Matches("Mg=="));
  EXPECT_EQ(Read(R"({"id":"d"})").kind, Kind::kCreateOrUpdate);
  EXPECT_TRUE(Read(R"({"id":"d"})").keeps_credentials);
  EXPECT_EQ(Read(R"({"id":"d","importMode":"delete"})").kind, Kind::kDelete);
  const RegistryChange edit = Read(R"({"id":"d","moduleId":"m","importMode":"updateTwin","tags":{"a":null}})");
  EXPECT_EQ(edit.kind, Kind::kEditTwin);
  EXPECT_EQ(edit.device.settings.module_id, "m");
}

TEST_F(ImportLineTest, SaysWhatIsWrongAndNeverAKey) {
  EXPECT_EQ(ReasonOf("{"), "INVALID_JSON");
  EXPECT_EQ(ReasonOf("[]"), reasons::kInvalidValue);
  EXPECT_EQ(ReasonOf(R"({"id":7})"), reasons::kInvalidValue);
  EXPECT_EQ(ReasonOf(R"({"id":"a b"})"), reasons::kInvalidDeviceId);
  EXPECT_EQ(ReasonOf(R"({"id":"d","importMode":"merge"})"), reasons::kInvalidValue);
  EXPECT_EQ(ReasonOf(R"({"id":"d","tags":{"a":1e400}})"), "INVALID_JSON");
  EXPECT_EQ(ReasonOf(R"({"id":"d","tags":{"a b":1}})"), "INVALID_TWIN");
  const ImportLine bad = ReadImportLine(
      R"({"id":"d","authentication":{"symmetricKey":{"primaryKey":"c2VjcmV0","secondaryKey":"c2VjcmV0"}}})", vault_,
      kNow);
  EXPECT_EQ(bad.identity.device_id, "d");
  EXPECT_EQ(GetReason(bad.change.status()), reasons::kInvalidKey);
  EXPECT_THAT(std::string(bad.change.status().message()), ::testing::Not(::testing::HasSubstr("c2VjcmV0")));
}

// An exported line, imported and exported again, is the same line.
TEST_F(ImportLineTest, ReadsWhatWeExport) {
  ExportRow row;
  row.identity.settings.device_id = "d";
  row.identity.settings.module_id = "m";
  row.identity.settings.managed_by = "me";
  row.identity.settings.keys = vault_.Seal({"d", "m"}, {"MDEyMzQ1Njc4OWFiY2RlZg==", "ZmVkY2JhOTg3NjU0MzIxMA=="});
  row.identity.etag = 5;
  row.twin_etag = 3;
  row.desired_version = 2;
  row.reported_version = 6;
  row.tags = R"({"x": "ü"})";
  row.desired = R"({"n": 1.50})";
  row.reported = "{}";
  row.desired_metadata = R"({"$lastUpdated": "2026-01-01T00:00:00.0000000Z", "$lastUpdatedVersion": 2, "n": )"
                         R"({"$lastUpdated": "2026-01-01T00:00:00.0000000Z", "$lastUpdatedVersion": 2}})";
  row.reported_metadata = R"({"$lastUpdated": "2026-01-01T00:00:00.0000000Z"})";
  const std::string line = *ExportLine(row, &vault_);
  const RegistryChange change = Read(line);
  const ExportRow again = RestoredRow(change, 5);
  EXPECT_EQ(*ExportLine(again, &vault_), line);
  EXPECT_THAT(*ExportLine(row, nullptr), ::testing::Not(::testing::HasSubstr("MDEy")));
}

}  // namespace
}  // namespace fleetcast::twin
