/* The page, from top to bottom. */

drawHead();
drawOverview();
if (packetCount) {
    drawTimeline();
    drawWays();
    drawPackets();
}
drawCosts();
drawCharts();
