// Inside libs/http: telling whoever is behind us who the client is.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <string>

namespace fleetcast::http {

// The header of the PROXY protocol, version 2, for a connection from `source` to `destination`. When they are not known
// (an end of another family counts), the header of a connection of our own (LOCAL).
std::string ProxyHeader(const boost::asio::ip::tcp::endpoint& source,
                        const boost::asio::ip::tcp::endpoint& destination);

}  // namespace fleetcast::http
