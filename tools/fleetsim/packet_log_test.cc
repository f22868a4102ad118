#include "tools/fleetsim/packet_log.h"

#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "libs/json/json.h"

namespace fleetcast::fleetsim {
namespace {

TEST(PacketLogTest, EachLineIsAnObjectOfItsOwn) {
  const std::string path = testing::TempDir() + "/packets." + std::to_string(getpid());
  const PacketLog::Place place{absl::FromUnixMicros(1'500'000), "dev \"1\"", 7};
  {
    auto log = PacketLog::Open(path);
    ASSERT_TRUE(log.ok());
    log->Connection(place, "accepted");
    log->Call(place, "lockDoor", "1f", "{\"token\":\"a\"}");
    log->Answer(place, "1f", 200, "{}");
    log->Desired(place, 9, "{\"a\":1}");
    log->Twin(place, "{}");
  }
  std::ifstream file(path);
  std::string line;
  ASSERT_TRUE(std::getline(file, line));
  EXPECT_EQ(line, R"({"t":1.500000,"d":"dev \"1\"","c":7,"e":"accepted"})");
  ASSERT_TRUE(std::getline(file, line));
  const auto call = json::Parse(line);
  ASSERT_TRUE(call.ok());
  EXPECT_EQ(call->Find("rid")->AsString(), "1f");
  EXPECT_EQ(call->Find("payload")->AsString(), "{\"token\":\"a\"}");
  int rest = 0;
  while (std::getline(file, line)) rest += json::Parse(line).ok();
  EXPECT_EQ(rest, 3);
  unlink(path.c_str());
}

TEST(PacketLogTest, NoPathMeansNoLog) {
  auto log = PacketLog::Open("");
  ASSERT_TRUE(log.ok());
  log->Connection({absl::UnixEpoch(), "dev-1", 1}, "accepted");
  log->Flush();
}

}  // namespace
}  // namespace fleetcast::fleetsim
