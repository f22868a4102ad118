#include "tools/fleetcast/context.h"

#include <gtest/gtest.h>

#include "libs/base/status.h"
#include "libs/rpc/status.h"
#include "tools/fleetcast/exit_codes.h"

namespace fleetcast::cli {
namespace {

TEST(ContextTest, AnErrorHasReasonSentenceAndTryLine) {
  const absl::Status status = MakeError(absl::StatusCode::kNotFound, "JOB_NOT_FOUND", "there is no job j1");
  EXPECT_EQ(FormatError(status), "error: JOB_NOT_FOUND: there is no job j1\ntry:   fleetcast job list\n");
}

TEST(ContextTest, ErrorsNameEachWrongFieldOnce) {
  const absl::Status status =
      rpc::InvalidFields({{"job.priority", "must be from 1 to 9"}, {"job.id", "is required"}}, "INVALID_VALUE");
  EXPECT_EQ(FormatError(status),
            "error: INVALID_VALUE\n       job.priority: must be from 1 to 9\n       job.id: is required\n");
}

TEST(ContextTest, ExitCodesTellUsersAndServersMistakesApart) {
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), kExitOk);
  EXPECT_EQ(ExitCodeOf(absl::InvalidArgumentError("--start: no time")), kExitUsage);
  EXPECT_EQ(ExitCodeOf(MakeError(absl::StatusCode::kInvalidArgument, "INVALID_CONDITION", "position 3")), kExitFailed);
  EXPECT_EQ(ExitCodeOf(absl::UnavailableError("refused")), kExitUnreachable);
  EXPECT_EQ(ExitCodeOf(absl::NotFoundError("no job")), kExitFailed);
}

TEST(ContextTest, AnArgumentWithAnAtSignIsAFile) {
  EXPECT_EQ(ArgumentText("{}").value(), "{}");
  EXPECT_EQ(ArgumentText("").value(), "");
  EXPECT_TRUE(absl::IsInvalidArgument(ArgumentText("@/does/not/exist").status()));
}

}  // namespace
}  // namespace fleetcast::cli
