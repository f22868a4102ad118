#include "libs/base/status.h"

#include <gtest/gtest.h>

#include "libs/base/status_macros.h"

namespace fleetcast {
namespace {

TEST(StatusTest, KeepsReasonAndMetadata) {
  const absl::Status status =
      MakeError(absl::StatusCode::kNotFound, "DEVICE_NOT_FOUND", "no device dev-1", {{"device", "dev-1"}});
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(GetErrorDetail(status).reason, "DEVICE_NOT_FOUND");
  EXPECT_EQ(GetErrorDetail(status).metadata.at("device"), "dev-1");
}

TEST(StatusTest, AnnotateKeepsCodeAndReason) {
  const absl::Status status = Annotate(MakeError(absl::StatusCode::kAborted, "ETAG_MISMATCH", "stale"), "twin dev-1");
  EXPECT_EQ(status.message(), "twin dev-1: stale");
  EXPECT_EQ(GetReason(status), "ETAG_MISMATCH");
}

TEST(StatusTest, OkHasNoReason) { EXPECT_EQ(GetReason(absl::OkStatus()), ""); }

absl::StatusOr<int> Half(int n) {
  if (n % 2 != 0) return absl::InvalidArgumentError("odd");
  return n / 2;
}

absl::StatusOr<int> Quarter(int n) {
  FLEETCAST_ASSIGN_OR_RETURN(const int half, Half(n));
  return Half(half);
}

TEST(StatusMacrosTest, AssignOrReturnPassesTheErrorOn) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_EQ(Quarter(6).status().message(), "odd");
}

}  // namespace
}  // namespace fleetcast
