#include "libs/rpc/status.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/status.h"
#include "gtest/gtest.h"
#include "libs/base/status.h"

namespace fleetcast::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

absl::Status RoundTrip(const absl::Status& status) { return FromGrpc(ToGrpc(status)); }

TEST(StatusTest, KeepsEveryCode) {
  for (int code = 0; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "message");
    EXPECT_EQ(RoundTrip(status).code(), status.code());
    EXPECT_EQ(static_cast<int>(ToGrpc(status).error_code()), code);
  }
}

TEST(StatusTest, KeepsReasonAndMetadataOverAnyNumberOfHops) {
  const absl::Status status =
      RoundTrip(RoundTrip(MakeError(absl::StatusCode::kNotFound, "JOB_NOT_FOUND", "no job x", {{"job", "x"}})));
  EXPECT_EQ(status.message(), "no job x");
  EXPECT_EQ(GetReason(status), "JOB_NOT_FOUND");
  EXPECT_THAT(GetErrorDetail(status).metadata, ElementsAre(Pair("job", "x")));
}

TEST(StatusTest, PacksWhatOtherClientsDecode) {
  const grpc::Status wire = ToGrpc(MakeError(absl::StatusCode::kAborted, "ETAG_MISMATCH", "changed"));
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(wire.error_details()));
  EXPECT_EQ(details.code(), 10);
  ASSERT_EQ(details.details_size(), 1);
  EXPECT_EQ(details.details(0).type_url(), "type.googleapis.com/google.rpc.ErrorInfo");
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(details.details(0).UnpackTo(&info));
  EXPECT_EQ(info.domain(), "fleetcast");
}

TEST(StatusTest, KeepsWrongFields) {
  const absl::Status status = RoundTrip(InvalidFields({{"job.id", "is empty"}, {"page_size", "is negative"}}));
  EXPECT_EQ(status.message(), "job.id: is empty; page_size: is negative");
  EXPECT_EQ(GetReason(status), "INVALID_FIELD");
  EXPECT_THAT(GetFieldViolations(status),
              ElementsAre(FieldViolation{"job.id", "is empty"}, FieldViolation{"page_size", "is negative"}));
}

TEST(StatusTest, KeepsRetryAfter) {
  const absl::Status status =
      RoundTrip(WithRetryAfter(absl::ResourceExhaustedError("slow down"), absl::Milliseconds(1500)));
  EXPECT_EQ(GetRetryAfter(status), absl::Milliseconds(1500));
  EXPECT_EQ(GetRetryAfter(absl::UnavailableError("")), std::nullopt);
}

TEST(StatusTest, KeepsDetailsSmallEnoughForTrailers) {
  std::vector<FieldViolation> violations;
  for (int i = 0; i < 200; ++i) violations.push_back({absl::StrCat("field_", i), "is much too long to be accepted"});
  const grpc::Status wire = ToGrpc(WithRetryAfter(InvalidFields(violations), absl::Seconds(1)));
  EXPECT_LE(wire.error_details().size(), kDetailsBytesMax);
  EXPECT_LE(wire.error_message().size(), kMessageTextBytesMax);
  const absl::Status status = FromGrpc(wire);
  EXPECT_THAT(GetFieldViolations(status), IsEmpty());
  EXPECT_EQ(GetReason(status), "INVALID_FIELD");
  EXPECT_EQ(GetRetryAfter(status), absl::Seconds(1));

  const absl::Status large = MakeError(absl::StatusCode::kInternal, "LARGE", "", {{"k", std::string(9000, 'x')}});
  EXPECT_LE(ToGrpc(large).error_details().size(), kDetailsBytesMax);
  EXPECT_EQ(GetReason(RoundTrip(large)), "LARGE");
}

TEST(StatusTest, ReadsForeignStatuses) {
  EXPECT_EQ(FromGrpc(grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone")), absl::UnavailableError("gone"));
  EXPECT_EQ(FromGrpc(grpc::Status(grpc::StatusCode::INTERNAL, "odd", "not a message")).code(),
            absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace fleetcast::rpc
