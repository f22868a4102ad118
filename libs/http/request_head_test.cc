#include "libs/http/request_head.h"

#include <string>

#include "gtest/gtest.h"

namespace fleetcast::http {
namespace {

constexpr std::string_view kHead = "GET /a?b=c HTTP/1.1\r\nHost: h\r\nX-One:  two \r\n\r\n";

TEST(RequestHeadTest, TakesAHeadApart) {
  const std::optional<RequestHead> head = ParseRequestHead(kHead);
  ASSERT_TRUE(head.has_value());
  EXPECT_EQ(head->request.method, "GET");
  EXPECT_EQ(head->request.target, "/a?b=c");
  EXPECT_EQ(head->version, 11);
  EXPECT_FALSE(head->has_body);
  EXPECT_EQ(head->request.FindHeader("x-one"), "two");
}

TEST(RequestHeadTest, KnowsWhetherABodyFollows) {
  EXPECT_TRUE(ParseRequestHead("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n")->has_body);
  EXPECT_TRUE(ParseRequestHead("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")->has_body);
  EXPECT_FALSE(ParseRequestHead("GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n")->has_body);
  EXPECT_EQ(ParseRequestHead("GET / HTTP/1.0\r\n\r\n")->version, 10);
}

TEST(RequestHeadTest, RefusesWhatIsNotHttp) {
  for (const std::string_view bytes :
       {"GET /\r\n\r\n", "GET / HTTP/2.0\r\n\r\n", "GET / HTTP/1.1\r\nbad header\r\n\r\n", "\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : h\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n"}) {
    EXPECT_FALSE(ParseRequestHead(bytes).has_value()) << bytes;
  }
}

TEST(RequestHeadTest, FindsTheEndHoweverTheBytesCome) {
  for (size_t known = 0; known < kHead.size(); ++known) {
    EXPECT_EQ(FindHeadEnd(kHead.substr(0, known)), std::nullopt);
    EXPECT_EQ(FindHeadEnd(std::string(kHead) + "rest", known), kHead.size()) << known;
  }
}

TEST(RequestHeadTest, TellsEarlyWhatCannotBeARequest) {
  for (const std::string_view bytes : {"", "G", "GET", "GET ", "GET /x", "OPTIONS * HTTP/1.1"}) {
    EXPECT_TRUE(MayBeRequest(bytes)) << bytes;
  }
  for (const std::string_view bytes : {" GET", "get /", "\x10\x0c", "\x16\x03\x01", "GET\r\n", "GET/ "}) {
    EXPECT_FALSE(MayBeRequest(bytes)) << bytes;
  }
  EXPECT_FALSE(MayBeRequest(std::string(33, 'A')));
}

}  // namespace
}  // namespace fleetcast::http
