// What differs between the tables of devices and those of modules, as words of SQL texts that are written once.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libs/postgres/statement.h"

namespace fleetcast::twin {

// Pairs of a {word} and what stands for it. "Name" is the text of an Identity (libs/model): device or device/module.
using IdentityWords = std::vector<std::pair<std::string, std::string>>;

const IdentityWords& DeviceWords();
const IdentityWords& ModuleWords();

// The statement twin_{kind}_`name` with the words of one kind put into `text`, twice, since words hold words. It lives
// as long as the process: call once for each.
postgres::Statement MakeStatement(const IdentityWords& words, std::string_view name, std::string_view text);

}  // namespace fleetcast::twin
