// SPDX-License-Identifier: Apache-2.0
#include "real_server.hpp"

#include <gtest/gtest.h>

int main(int count, char** words) {
    ::testing::InitGoogleTest(&count, words);
    baton::test::enter_own_network();
    return RUN_ALL_TESTS();
}
