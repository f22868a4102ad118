#include "services/rest_gateway/dialect.h"

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "services/rest_gateway/azure_errors.h"

namespace fleetcast::rest_gateway {
namespace {

constexpr std::string_view kDeviceManagementPreview = "2016-04-25-preview";
constexpr std::string_view kDeviceTwinPreview = "2016-09-30-preview";

absl::Status Refused(std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, kInvalidApiVersion, message);
}

}  // namespace

std::vector<std::string> DefaultApiVersions() {
  return {"2015-08-15-preview", "2016-02-03",         "2016-04-30", "2016-09-30-preview", "2016-11-14",
          "2017-06-30",         "2017-11-08-preview", "2018-01-16", "2018-06-30",         "2019-03-30",
          "2019-07-01-preview", "2019-10-01",         "2020-03-13", "2020-05-31-preview", "2020-09-30",
          "2021-04-12",         "2024-03-31"};
}

absl::StatusOr<Dialect> ApiVersions::DialectOf(const http::Request& request) const {
  constexpr std::string_view kParameter = "api-version";
  const size_t count = request.CountQuery(kParameter);
  if (count == 0) return Refused("the query parameter api-version is missing");
  if (count > 1) return Refused("the query parameter api-version occurs more than once");
  const std::string_view version = *request.FindQuery(kParameter);
  if (versions_.find(version) == versions_.end()) {
    return Refused(version == kDeviceManagementPreview
                       ? "the device management preview of 2016-04-25 is not served; use direct methods and twins"
                       : absl::StrCat("this api-version is not served; the newest one is ",
                                      versions_.empty() ? "none" : *versions_.rbegin()));
  }
  return version == kDeviceTwinPreview ? Dialect::kDt : Dialect::kGa;
}

}  // namespace fleetcast::rest_gateway
