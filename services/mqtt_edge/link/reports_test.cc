#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/mqtt_edge/link/busy_window.h"
#include "services/mqtt_edge/link/report_gather.h"
#include "services/mqtt_edge/link/report_log.h"

namespace fleetcast::mqtt_edge {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

CallReport Report(uint64_t call_id, size_t payload_size = 0) {
  CallReport report;
  report.call_id = call_id;
  report.payload = std::string(payload_size, 'p');
  return report;
}

CallReport ReportOf(CallReport::Kind kind, uint64_t call_id) { return {.kind = kind, .call_id = call_id}; }

std::vector<uint64_t> Unsent(ReportLog& log, size_t count_max = 100, size_t bytes_max = 1000) {
  std::vector<uint64_t> ids;
  for (const ReportLog::Entry* entry : log.TakeUnsent(count_max, bytes_max)) ids.push_back(entry->report.call_id);
  return ids;
}

TEST(ReportLogTest, SendsEachReportOnceUntilRewound) {
  ReportLog log(100, 1000);
  for (uint64_t id = 1; id <= 3; ++id) log.Append(Report(id));
  EXPECT_THAT(Unsent(log, 2), ElementsAre(1, 2));
  EXPECT_TRUE(log.has_unsent());
  EXPECT_THAT(Unsent(log), ElementsAre(3));
  EXPECT_THAT(Unsent(log), IsEmpty());
  log.Acknowledge(1);
  log.Rewind();
  EXPECT_THAT(Unsent(log), ElementsAre(2, 3));
}

TEST(ReportLogTest, NumbersRiseByOne) {
  ReportLog log(100, 1000);
  log.Append(Report(7));
  log.Append(Report(8));
  const auto entries = log.TakeUnsent(10, 1000);
  EXPECT_EQ(entries[0]->sequence, 1u);
  EXPECT_EQ(entries[1]->sequence, 2u);
  log.Acknowledge(2);
  EXPECT_EQ(log.size(), 0u);
}

TEST(ReportLogTest, DropsTheOldestBeyondItsBounds) {
  ReportLog log(2, 1000);
  EXPECT_EQ(log.Append(Report(1)) + log.Append(Report(2)), 0u);
  EXPECT_EQ(log.Append(Report(3)), 1u);
  EXPECT_THAT(Unsent(log), ElementsAre(2, 3));
  ReportLog bytes(100, 10);
  bytes.Append(Report(1, 6));
  bytes.Append(Report(2, 4));
  EXPECT_EQ(bytes.Append(Report(3, 7)), 2u);
  EXPECT_THAT(Unsent(bytes), ElementsAre(3));
}

TEST(ReportLogTest, FramesAreBoundedInBytes) {
  ReportLog log(100, 1000);
  for (uint64_t id = 1; id <= 4; ++id) log.Append(Report(id, 10));
  EXPECT_THAT(Unsent(log, 100, 15), ElementsAre(1, 2));
  EXPECT_THAT(Unsent(log, 100, 15), ElementsAre(3, 4));
}

TEST(BusyWindowTest, LoadEndsAWindowAfterTheLastBusyOne) {
  BusyWindow window(3);
  const absl::Duration start = absl::Seconds(5);
  EXPECT_FALSE(window.Count(start));
  EXPECT_FALSE(window.Count(start));
  EXPECT_TRUE(window.Count(start));
  EXPECT_TRUE(window.Count(start + BusyWindow::kWindow));
  EXPECT_FALSE(window.Count(start + 2 * BusyWindow::kWindow));
  EXPECT_FALSE(window.Count(start + 9 * BusyWindow::kWindow));
}

TEST(ReportGatherTest, TheEndOfACallIsDueAtOnce) {
  ReportGather gather;
  EXPECT_EQ(gather.due(), absl::InfiniteDuration());
  gather.Add(ReportOf(CallReport::Kind::kNotSent, 1), absl::Seconds(5));
  EXPECT_EQ(gather.due(), absl::Seconds(5));
  EXPECT_EQ(gather.Take().size(), 1u);
  EXPECT_EQ(gather.due(), absl::InfiniteDuration());
}

TEST(ReportGatherTest, SentWaitsForCompany) {
  ReportGather gather;
  gather.Add(ReportOf(CallReport::Kind::kSent, 1), absl::Seconds(5));
  EXPECT_EQ(gather.due(), absl::Seconds(5) + ReportGather::kGather);
  EXPECT_EQ(gather.Take()[0].kind, CallReport::Kind::kSent);
}

TEST(ReportGatherTest, TheEndTakesThePlaceOfItsSent) {
  ReportGather gather;
  gather.Add(ReportOf(CallReport::Kind::kSent, 1), absl::Seconds(5));
  gather.Add(ReportOf(CallReport::Kind::kSent, 2), absl::Seconds(5));
  gather.Add(ReportOf(CallReport::Kind::kAnswer, 1), absl::Seconds(5));
  const std::vector<CallReport> taken = gather.Take();
  ASSERT_EQ(taken.size(), 2u);
  EXPECT_EQ(taken[0].kind, CallReport::Kind::kAnswer);
  EXPECT_EQ(taken[1].kind, CallReport::Kind::kSent);
}

TEST(ReportGatherTest, ASentThatWasTakenStands) {
  ReportGather gather;
  gather.Add(ReportOf(CallReport::Kind::kSent, 1), absl::Seconds(5));
  EXPECT_EQ(gather.Take().size(), 1u);
  gather.Add(ReportOf(CallReport::Kind::kAnswer, 1), absl::Seconds(5));
  EXPECT_EQ(gather.Take().size(), 1u);
}

TEST(ReportGatherTest, EndsGatherUnderLoadAndNoLongerAfterIt) {
  ReportGather gather;
  const absl::Duration start = absl::Seconds(5);
  for (int i = 0; i < ReportGather::kBusyReports; ++i) gather.Add(ReportOf(CallReport::Kind::kAnswer, 1), start);
  gather.Take();
  const absl::Duration next = start + BusyWindow::kWindow;
  gather.Add(ReportOf(CallReport::Kind::kAnswer, 1), next);
  EXPECT_EQ(gather.due(), next + ReportGather::kGather);
  gather.Take();
  const absl::Duration calm = next + BusyWindow::kWindow;
  gather.Add(ReportOf(CallReport::Kind::kAnswer, 1), calm);
  EXPECT_EQ(gather.due(), calm);
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
