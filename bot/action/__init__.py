"""The GitHub Action: what the workflow says, the objects that are judged, the gate's approvals, and what is shown."""
