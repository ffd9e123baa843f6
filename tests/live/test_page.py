# SPDX-License-Identifier: Apache-2.0
"""The page in a real browser: it shows what is, follows it without being loaded again, and runs nobody's code."""

import pathlib
import shutil

from lab import active_node, eventually, wait_one_primary
from lab.case import LiveTest
from lab.paths import BUILD

try:
    from selenium import webdriver
    from selenium.common.exceptions import WebDriverException
except ImportError:
    webdriver = None
    WebDriverException = Exception

TIMEOUT = 180

HOSTILE = "<img src=x onerror='window.pwned=1'>\"`$(touch pwned)"


class PageTest(LiveTest):
    def setUp(self):
        super().setUp()
        driver = shutil.which("chromedriver")
        if webdriver is None or not driver or not shutil.which("chromium"):
            self.skipTest("no Chromium with its driver (scripts/setup page)")
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        profile = pathlib.Path(self.lab.folder) / "chromium"
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                         "--window-size=1400,1000", f"--user-data-dir={profile}"):
            options.add_argument(argument)
        service = webdriver.chrome.service.Service(executable_path=driver)
        self.browser = webdriver.Chrome(service=service, options=options)
        self.addCleanup(self.browser.quit)

    def text(self):
        return self.browser.execute_script("return document.body.innerText")

    def shows(self, *texts, timeout=10):
        def look():
            try:
                seen = self.text()
            except WebDriverException:
                return False  # in the middle of a change of pages
            return all(text.lower() in seen.lower() for text in texts)

        try:
            eventually(look, timeout, f"the page shows {texts}")
        except Exception:
            self.picture("failed")
            print(self.text())
            raise

    def servers(self):
        """Address -> words on its tags, as drawn."""
        script = """
            return Object.fromEntries([...document.querySelectorAll('.card.server')].map(card => [
                card.querySelector('.name').innerText.trim(),
                [...card.querySelectorAll('.tags .pill')].map(pill => pill.innerText)]))"""
        return self.browser.execute_script(script)

    def picture(self, name):
        folder = BUILD / "pictures"
        folder.mkdir(parents=True, exist_ok=True)
        self.browser.save_screenshot(str(folder / f"{self.id().rsplit('.', 1)[-1]}-{name}.png"))


class Live(PageTest):
    def test_failover_is_seen_as_it_happens(self):
        topology = self.lab.topology("mariadb", 3)
        nodes = self.lab.nodes(self.lab.backend(), [topology.seed])
        active = active_node(nodes)
        eventually(lambda: active.knows(topology.servers), 15, "all servers are found")
        standby = [node for node in nodes if node is not active][0]

        self.browser.get(standby.url + "/")
        self.shows("Clusters", "1 cluster", "4 servers", "all healthy", f"active: {active.name}")
        self.assertNotIn("null", self.text())
        self.picture("overview")
        self.browser.find_element("css selector", ".card.cluster").click()
        eventually(lambda: len(self.servers()) == 4, 10, "four servers are drawn")
        before = self.servers()
        self.assertIn("primary", before[topology.primary.address])
        self.assertIn("writable", before[topology.primary.address])
        for replica in topology.replicas:
            self.assertIn("replica", before[replica.address])
            self.assertIn("read-only", before[replica.address])
        self.shows("If the primary died now", "would be promoted", "It would take about", "What could be lost", "As configured")
        self.picture("cluster")

        self.browser.execute_script("window.sameDocument = true")
        topology.primary.kill()
        promoted = wait_one_primary(topology.replicas)

        eventually(lambda: "primary" in self.servers().get(promoted.address, []), 10, "the new primary is drawn")
        eventually(lambda: "unreachable" in self.servers().get(topology.primary.address, []), 10, "the dead one too")
        self.picture("after")
        self.assertTrue(self.browser.execute_script("return window.sameDocument === true"), "not loaded again")
        self.browser.get(standby.url + "/web/recoveries")
        self.shows("Recoveries", topology.primary.address, promoted.address, "done")
        self.browser.find_element("css selector", "main table a").click()
        self.shows("Recovery", "Evidence", "Candidates", "promote")
        self.picture("recovery")
        self.browser.get(standby.url + f"/web/timeline/{promoted.address}")
        self.shows("timeline", "recovery begins", "new primary", "recovered", "detected", "epoch")
        self.picture("timeline")
        for path, words in (
            ("/web/nodes", [node.name for node in nodes]), ("/web/audit", ["recover"]),
            ("/web/policy", ["There are no rules", "None was stored yet"]),
        ):
            self.browser.get(active.url + path)
            self.shows(*words)
            self.assertNotIn("null", self.text())
            self.picture(path.rsplit("/", 1)[-1])
        complaints = [entry for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE"]
        self.assertEqual(complaints, [])


class Hostile(PageTest):
    def test_names_of_servers_are_only_text(self):
        topology = self.lab.topology("mariadb", 1)
        # A replica's word is enough to make a server known, so its source's name comes from anybody.
        replica = topology.replicas[0]
        quoted = HOSTILE.replace("\\", "\\\\").replace("'", "\\'")
        replica.execute("STOP SLAVE", f"CHANGE MASTER TO MASTER_HOST='{quoted[:60]}', MASTER_PORT=3306", "START SLAVE")
        nodes = self.lab.nodes(self.lab.backend(), [replica.address], count=1)
        eventually(lambda: len(nodes[0].json("/api/all-instances")) >= 1, 15, "the replica is found")

        for path in ("/", "/web/audit", "/web/recoveries", f"/web/cluster/{replica.address}"):
            self.browser.get(nodes[0].url + path)
            self.shows("Baton")
            eventually(lambda: "Loading" not in self.text(), 10, "the page is drawn")
            self.assertIsNone(self.browser.execute_script("return window.pwned === undefined ? null : window.pwned"))
            images = self.browser.execute_script("return [...document.images].map(image => image.getAttribute('src'))")
            self.assertEqual(images, ["/assets/baton.svg"])
        self.browser.get(nodes[0].url + f"/web/cluster/{replica.address}")
        self.shows("onerror")
        self.picture("hostile")


class Nodes(PageTest):
    def test_warnings_and_a_backend_that_is_gone(self):
        """A standby that could not do its work is a warning on every node's page; without the backend there is a
        banner with the age of what is shown."""
        topology = self.lab.topology("mariadb", 1)
        backend = self.lab.backend()
        nodes = self.lab.prepare_nodes(
            backend, [topology.seed],
            settings={"node": {"self_check": "1s"}, "recovery": {"hooks": {"pre_failover": ["/no/such/hook"]}}},
        )
        nodes[0].restart()
        eventually(lambda: nodes[0].is_active(), 20, "node 1 is active")
        for node in nodes[1:]:
            node.restart()
        eventually(lambda: nodes[0].knows(topology.servers), 20, "all servers are found")

        self.browser.get(nodes[0].url + "/web/nodes")
        self.shows("node1", "node2", "node3", "active", "standby", backend.address, "lease left", "last heard",
                   "node node2: the hook of pre_failover cannot be run here: /no/such/hook", timeout=20)

        backend.kill()

        self.shows("The backend cannot be reached: nothing is recovered, and what you see is", " old", timeout=20)
        self.picture("backend gone")
        self.browser.get(nodes[1].url + "/")
        self.shows("The backend cannot be reached", "2 servers", timeout=20)
        backend.restart()
        active_node(nodes, 20)
        eventually(lambda: "cannot be reached" not in self.text(), 20, "the banner is gone")
