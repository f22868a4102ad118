#include "libs/http/request_head.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <string>

namespace fleetcast::http {
namespace {

constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr size_t kMethodBytesMax = 32;

std::string_view Text(boost::beast::string_view text) { return {text.data(), text.size()}; }

bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }

}  // namespace

std::optional<size_t> FindHeadEnd(std::string_view bytes, size_t searched) {
  const size_t from = searched > kHeadEnd.size() - 1 ? searched - (kHeadEnd.size() - 1) : 0;
  const size_t at = bytes.find(kHeadEnd, from);
  if (at == std::string_view::npos) return std::nullopt;
  return at + kHeadEnd.size();
}

bool MayBeRequest(std::string_view bytes) {
  const size_t method = static_cast<size_t>(std::find_if_not(bytes.begin(), bytes.end(), IsUpper) - bytes.begin());
  if (method == bytes.size()) return method <= kMethodBytesMax;
  return method > 0 && method <= kMethodBytesMax && bytes[method] == ' ';
}

std::optional<RequestHead> ParseRequestHead(std::string_view bytes) {
  namespace beast_http = boost::beast::http;
  beast_http::request_parser<beast_http::empty_body> parser;
  parser.header_limit(static_cast<uint32_t>(bytes.size() + 1));  // Who has gathered them has bounded them.
  boost::beast::error_code error;
  parser.put(boost::asio::buffer(bytes.data(), bytes.size()), error);
  if ((error && error != beast_http::error::need_more) || !parser.is_header_done()) return std::nullopt;
  const auto& message = parser.get();
  RequestHead head;
  head.version = static_cast<int>(message.version());
  head.has_body = parser.chunked() || parser.content_length().value_or(0) > 0;
  head.request.method = std::string(Text(message.method_string()));
  head.request.target = std::string(Text(message.target()));
  for (const auto& field : message) {
    head.request.headers.push_back({std::string(Text(field.name_string())), std::string(Text(field.value()))});
  }
  return head;
}

}  // namespace fleetcast::http
