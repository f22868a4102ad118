// Postgres' text form of one-dimensional arrays: {a,"b c",NULL}.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fleetcast::postgres {

// The literal of an array of these elements, each in its text form; nullopt = NULL.
std::string ToArrayLiteral(std::span<const std::optional<std::string>> elements);

// The elements of `literal` as Postgres prints it. nullopt when it is not a one-dimensional array.
std::optional<std::vector<std::optional<std::string>>> ParseArrayLiteral(std::string_view literal);

}  // namespace fleetcast::postgres
