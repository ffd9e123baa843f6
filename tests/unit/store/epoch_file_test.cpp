// SPDX-License-Identifier: Apache-2.0
#include "baton/store/epoch_file.hpp"

#include "support.hpp"

#include <fstream>

namespace baton::store {
namespace {

using namespace test;

TEST(EpochFile, KeepsTheHighestEpochOverARestart) {
    const Folder folder;
    const auto dir = folder.path("data");  // does not exist yet
    {
        EpochFile file(dir);
        EXPECT_EQ(*file.load(), 0U);
        file.keep(7);
        file.keep(5);
    }

    const EpochFile file(dir);

    EXPECT_EQ(*file.load(), 7U);
}

TEST(EpochFile, ReportsContentThatIsNoNumber) {
    const Folder folder;
    std::ofstream(folder.path("epoch")) << "seven\n";

    const EpochFile file(folder.path());

    ASSERT_FALSE(file.load());
    EXPECT_EQ(file.load().error().code, Errc::protocol);
}

TEST(EpochFile, SurvivesAFolderThatCannotBeMade) {
    const Folder folder;
    std::ofstream(folder.path("file")) << "x";
    {
        EpochFile file(folder.path("file/data"));
        file.keep(3);
    }

    const EpochFile file(folder.path("file/data"));
    EXPECT_EQ(*file.load(), 0U);
}

TEST(EpochFile, WithoutAFolderKeepsNothing) {
    EpochFile file("");
    file.keep(3);

    EXPECT_EQ(*file.load(), 0U);
}

}  // namespace
}  // namespace baton::store
