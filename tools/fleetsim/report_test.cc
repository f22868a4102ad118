#include "tools/fleetsim/report.h"

#include <fstream>
#include <sstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "libs/json/json.h"

namespace fleetcast::fleetsim {
namespace {

TEST(ReportTest, EventsAreJsonWithNumbers) {
  Figures figures;
  figures.devices = 10;
  figures.connected = 7;
  const auto event = json::Parse(FormatEvent("progress", absl::Milliseconds(1500), figures));
  ASSERT_TRUE(event.ok());
  EXPECT_EQ(event->Find("event")->AsString(), "progress");
  EXPECT_EQ(event->Find("seconds")->NumberText(), "1.500");
  EXPECT_EQ(event->Find("connected")->AsInt(), 7);
}

TEST(ReportTest, TheCallLogHasALineACall) {
  const std::string path = testing::TempDir() + "/calls." + std::to_string(getpid());
  {
    auto log = CallLog::Open(path);
    ASSERT_TRUE(log.ok());
    log->Add("dev-1", "lockDoor", "1f", absl::UnixEpoch());
    log->Add("dev \"2\"", "lockDoor", "20", absl::UnixEpoch());
  }
  std::ifstream file(path);
  std::string line;
  ASSERT_TRUE(std::getline(file, line));
  EXPECT_EQ(line, R"({"device":"dev-1","name":"lockDoor","rid":"1f","time":"1970-01-01T00:00:00.000000Z"})");
  ASSERT_TRUE(std::getline(file, line));
  EXPECT_TRUE(json::Parse(line).ok());
  unlink(path.c_str());
}

TEST(ReportTest, NoPathMeansNoLog) {
  auto log = CallLog::Open("");
  ASSERT_TRUE(log.ok());
  log->Add("dev-1", "lockDoor", "1f", absl::UnixEpoch());
  log->Flush();
}

}  // namespace
}  // namespace fleetcast::fleetsim
