// For tests: a migrated database of its own, a pool on it, and devices.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "libs/postgres/pool.h"
#include "libs/telemetry/metrics.h"
#include "libs/testing/private_postgres.h"
#include "libs/testing/status_matchers.h"
#include "services/twin/key_vault.h"
#include "services/twin/store/device_store.h"
#include "services/twin/store/schema.h"

namespace fleetcast::twin {

class StoreTest : public ::testing::Test {
 protected:
  StoreTest()
      : pool_({.connection_string = testing::PrivatePostgres::Shared().NewDatabase(),
               .application_name = "twin_store_test",
               .connections = 10},
              metrics_) {
    const absl::Status status = postgres::Migrate(pool_, Deadline(), kSchema, SchemaMigrations());
    EXPECT_THAT(status, testing::IsOk());
  }

  static absl::Time Deadline() { return absl::Now() + absl::Seconds(20); }

  // The vault of all tests in this process.
  static const KeyVault& Vault() {
    static const auto* const vault = new KeyVault(KeyVault::ForTests());
    return *vault;
  }

  static NewDevice Device(const std::string& id) {
    NewDevice device;
    device.settings.device_id = id;
    device.settings.keys = Vault().Seal({id, ""}, {"a2V5LW9uZS1rZXktb25l", "a2V5LXR3by1rZXktdHdv"});
    device.twin = FreshTwin(absl::Now());
    return device;
  }

  void Create(const std::vector<std::string>& ids) {
    std::vector<NewDevice> devices;
    for (const std::string& id : ids) devices.push_back(Device(id));
    const absl::StatusOr<std::vector<DeviceRow>> created = DeviceStore(pool_).Create(Deadline(), devices);
    ASSERT_THAT(created, testing::IsOk());
    ASSERT_EQ(created->size(), ids.size());
  }

  telemetry::Metrics metrics_;
  postgres::Pool pool_;
};

}  // namespace fleetcast::twin
