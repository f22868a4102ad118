#include "services/mqtt_edge/transport/proxy_header.h"

#include <string>

#include "gtest/gtest.h"
#include "services/mqtt_edge/transport/socket.h"

namespace fleetcast::mqtt_edge {
namespace {

using namespace std::string_literals;
using State = ProxyHeaderReader::State;

const std::string kSignature = "\r\n\r\n\0\r\nQUIT\n"s;

std::string Header(char command, char family, const std::string& body) {
  return kSignature + command + family + static_cast<char>(body.size() >> 8) + static_cast<char>(body.size()) + body;
}

const std::string kTcp4 = "\x0a\x01\x02\x03\x7f\0\0\x01\x30\x39\x22\xb3"s;
const std::string kTcp6 = "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01" + std::string(16, '\0') + "\0\1\0\2"s;

// Gives the reader what it wants, `piece` bytes at most at once; returns how much it took.
size_t Feed(ProxyHeaderReader& reader, const std::string& bytes, size_t piece) {
  size_t at = 0;
  while (reader.wanted() > 0 && at < bytes.size()) {
    const std::string part = bytes.substr(at, std::min(piece, reader.wanted()));
    reader.Add(part);
    at += part.size();
  }
  return at;
}

TEST(ProxyHeaderTest, ReadsAddressesAndNothingBehindThem) {
  const struct {
    std::string header;
    std::string source;
  } cases[] = {{Header('\x21', '\x11', kTcp4), "10.1.2.3"},
               {Header('\x21', '\x21', kTcp6), "2001:db8::1"},
               {Header('\x21', '\x11', kTcp4 + "\x04\0\x01x"s), "10.1.2.3"},
               {Header('\x21', '\x21', kTcp6 + std::string(1900, 'x')), "2001:db8::1"}};
  for (const auto& [header, source] : cases) {
    for (const size_t piece : {size_t{4096}, size_t{7}, size_t{1}}) {
      ProxyHeaderReader reader;
      EXPECT_EQ(Feed(reader, header + "MQTT", piece), header.size());
      EXPECT_EQ(reader.state(), State::kDone);
      ASSERT_TRUE(reader.source().has_value());
      EXPECT_EQ(FormatPeer(*reader.source()), source);
    }
  }
}

TEST(ProxyHeaderTest, LocalAndUnknownHaveNoAddress) {
  for (const std::string& header :
       {Header('\x20', '\0', ""), Header('\x20', '\x11', kTcp4), Header('\x20', '\x77', "abc"),
        Header('\x21', '\0', ""), Header('\x21', '\0', "remark")}) {
    ProxyHeaderReader reader;
    EXPECT_EQ(Feed(reader, header, 5), header.size());
    EXPECT_EQ(reader.state(), State::kDone);
    EXPECT_EQ(reader.source(), std::nullopt);
  }
}

TEST(ProxyHeaderTest, RefusesTheFirstWrongByte) {
  for (const std::string& bytes : {"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n"s, "\x16\x03\x01"s, "\x10\x0c"s, "GET / "s}) {
    ProxyHeaderReader reader;
    EXPECT_EQ(Feed(reader, bytes, 1), 1u);
    EXPECT_EQ(reader.state(), State::kRefused);
  }
  ProxyHeaderReader reader;
  EXPECT_EQ(Feed(reader, "\r\n\r\n\0\r\nQUIX"s, 1), 11u);
  EXPECT_EQ(reader.state(), State::kRefused);
}

TEST(ProxyHeaderTest, RefusesOtherVersionsCommandsAndFamilies) {
  for (const std::string& header :
       {Header('\x11', '\x11', kTcp4), Header('\x31', '\x11', kTcp4), Header('\x22', '\x11', kTcp4),
        Header('\x21', '\x12', kTcp4), Header('\x21', '\x31', std::string(216, 'x')), Header('\x21', '\x13', kTcp4),
        Header('\x21', '\x11', kTcp4.substr(1)), Header('\x21', '\x21', kTcp6.substr(1))}) {
    ProxyHeaderReader reader;
    Feed(reader, header, 100);
    EXPECT_EQ(reader.state(), State::kRefused);
  }
}

TEST(ProxyHeaderTest, IsBounded) {
  ProxyHeaderReader most;
  Feed(most, Header('\x20', '\0', std::string(2048 - 16, 'x')), 4096);
  EXPECT_EQ(most.state(), State::kDone);
  ProxyHeaderReader more;
  EXPECT_EQ(Feed(more, Header('\x20', '\0', std::string(2048 - 15, 'x')), 4096), 16u);
  EXPECT_EQ(more.state(), State::kRefused);
}

TEST(ProxyHeaderTest, WaitsForWhatIsMissing) {
  const std::string header = Header('\x21', '\x11', kTcp4);
  for (size_t size = 0; size < header.size(); ++size) {
    ProxyHeaderReader reader;
    Feed(reader, header.substr(0, size), 4096);
    EXPECT_EQ(reader.state(), State::kNeedMore);
    EXPECT_GT(reader.wanted(), 0u);
  }
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
