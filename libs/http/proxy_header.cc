#include "libs/http/proxy_header.h"

#include <cstdint>
#include <string_view>

namespace fleetcast::http {
namespace {

using boost::asio::ip::tcp;

constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr char kLocal = 0x20;  // Version 2, command LOCAL.
constexpr char kProxy = 0x21;
constexpr char kTcp4 = 0x11;
constexpr char kTcp6 = 0x21;

void AppendShort(size_t value, std::string& out) {
  out.push_back(static_cast<char>(value >> 8));
  out.push_back(static_cast<char>(value & 0xff));
}

template <typename Address>
void AppendAddress(const Address& address, std::string& out) {
  for (const uint8_t byte : address.to_bytes()) out.push_back(static_cast<char>(byte));
}

}  // namespace

std::string ProxyHeader(const tcp::endpoint& source, const tcp::endpoint& destination) {
  std::string header(kSignature);
  const bool is_known = source.port() != 0 && source.protocol() == destination.protocol();
  if (!is_known) return header + kLocal + std::string(3, '\0');
  std::string addresses;
  if (source.address().is_v4()) {
    AppendAddress(source.address().to_v4(), addresses);
    AppendAddress(destination.address().to_v4(), addresses);
  } else {
    AppendAddress(source.address().to_v6(), addresses);
    AppendAddress(destination.address().to_v6(), addresses);
  }
  AppendShort(source.port(), addresses);
  AppendShort(destination.port(), addresses);
  header += kProxy;
  header += source.address().is_v4() ? kTcp4 : kTcp6;
  AppendShort(addresses.size(), header);
  return header + addresses;
}

}  // namespace fleetcast::http
