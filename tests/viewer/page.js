// What OHIF and cornerstone hold, read in the page. It is put in before OHIF's own code, as `window.lantern`.
localStorage.setItem('shownTours', JSON.stringify(['basicViewerTour']));

(() => {
  const service = name => window.services?.[name];
  const pause = ms => new Promise(done => setTimeout(done, ms));
  const asNumbers = points => points.map(p => Array.from(p, Number));

  function viewport() {
    const id = service('viewportGridService').getActiveViewportId();
    return id && service('cornerstoneViewportService').getCornerstoneViewport(id);
  }

  // OHIF's services are there before they work: until then nothing is drawn.
  function drawn() {
    try {
      return viewport()?.viewportStatus === 'rendered';
    } catch {
      return false;
    }
  }

  function displaySets() {
    return service('displaySetService')?.getActiveDisplaySets() ?? [];
  }

  function displaySet(sop) {
    const holds = set => set.SOPInstanceUID === sop || set.instances?.some(i => i.SOPInstanceUID === sop);
    return displaySets().find(holds)?.displaySetInstanceUID;
  }

  function sopOf(imageId) {
    return window.cornerstone.metaData.get('sopCommonModule', imageId)?.sopInstanceUID ?? imageId.split('/instances/')[1]?.split('/')[0];
  }

  // Voxels of each segment as they are drawn, counted and averaged over the images that they lie on.
  function labelmap(data) {
    const sums = {};
    for (const imageId of data.imageIds ?? []) {
      const image = window.cornerstone.cache.getImage(imageId);
      const plane = window.cornerstone.metaData.get('imagePlaneModule', image?.referencedImageId);
      if (!image || !plane) continue;
      const values = image.voxelManager.getScalarData();
      for (let at = 0; at < values.length; at++) {
        if (!values[at]) continue;
        const column = at % image.columns, row = Math.floor(at / image.columns);
        const sum = (sums[values[at]] ??= { voxels: 0, mm: [0, 0, 0], sops: {} });
        sum.voxels += 1;
        sum.sops[sopOf(image.referencedImageId)] = (sum.sops[sopOf(image.referencedImageId)] ?? 0) + 1;
        for (let axis = 0; axis < 3; axis++)
          sum.mm[axis] += plane.imagePositionPatient[axis]
            + column * plane.columnPixelSpacing * plane.rowCosines[axis]
            + row * plane.rowPixelSpacing * plane.columnCosines[axis];
      }
    }
    for (const sum of Object.values(sums)) sum.mm = sum.mm.map(v => v / sum.voxels);
    return sums;
  }

  function contours(data) {
    const { annotation } = window.cornerstoneTools;
    const all = {};
    for (const [segment, uids] of data.annotationUIDsMap ?? [])
      all[segment] = [...uids].map(uid => asNumbers(annotation.state.getAnnotation(uid).data.contour.polyline));
    return all;
  }

  function segmentations() {
    return window.cornerstoneTools.segmentation.state.getSegmentations().map(s => ({
      id: s.segmentationId,
      label: s.label,
      segments: Object.values(s.segments).map(({ segmentIndex, label }) => ({ number: segmentIndex, label })),
      kinds: Object.keys(s.representationData),
      voxels: s.representationData.Labelmap ? labelmap(s.representationData.Labelmap) : null,
      contours_mm: s.representationData.Contour ? contours(s.representationData.Contour) : null,
    }));
  }

  function annotations() {
    return window.cornerstoneTools.annotation.state.getAllAnnotations()
      .filter(a => !a.data.segmentation)
      .map(a => ({
        tool: a.metadata.toolName,
        image: a.metadata.referencedImageId ? sopOf(a.metadata.referencedImageId) : null,
        tracking_uid: a.data.TrackingUniqueIdentifier ?? null,
        label: a.data.label ?? null,
        labels: a.data.labels ?? null,
        points_mm: a.data.renderableData
          ? Object.fromEntries(Object.entries(a.data.renderableData).map(([k, v]) => [k, v.map(asNumbers)]))
          : a.data.handles?.points ? asNumbers(a.data.handles.points) : null,
      }));
  }

  function reports() {
    return displaySets().filter(set => set.Modality === 'SR' && set.measurements).map(set => ({
      sop: set.SOPInstanceUID,
      measurements: set.measurements.map(m => ({
        name: m.TrackingIdentifier, uid: m.TrackingUniqueIdentifier, shown: m.loaded, labels: m.labels,
        image: m.ReferencedSOPInstanceUID ?? null, points: m.coords.length,
      })),
    }));
  }

  async function turnTo(sop) {
    const v = viewport();
    const at = v.getImageIds().findIndex(id => sopOf(id) === sop);
    if (at < 0) throw new Error(`no image ${sop} in the series on the screen`);
    await v.setImageIdIndex(at);
    v.render();
    await still();
  }

  // Once nothing was drawn for 300 ms.
  async function still() {
    let last = performance.now();
    const drawn = () => (last = performance.now());
    const events = [window.cornerstone.Enums.Events.IMAGE_RENDERED, window.cornerstoneTools.Enums.Events.ANNOTATION_RENDERED];
    const target = document.querySelector('[data-cy="viewport-grid"]');
    for (const event of events) {
      target.addEventListener(event, drawn, true);
      window.cornerstone.eventTarget.addEventListener(event, drawn);
    }
    while (performance.now() - last < 300) {
      await pause(50);
      await Promise.race([new Promise(requestAnimationFrame), pause(1000)]); // a busy machine draws late
    }
    for (const event of events) {
      target.removeEventListener(event, drawn, true);
      window.cornerstone.eventTarget.removeEventListener(event, drawn);
    }
  }

  // Takes what was loaded off the screen again.
  async function clear() {
    window.cornerstoneTools.segmentation.state.getSegmentations().map(s => s.segmentationId)
      .forEach(id => service('segmentationService').remove(id));
    viewport()?.render();
    await still();
  }

  // Of points of the patient: where they are on the screen, in CSS pixels from its top left corner.
  function project(pointsMm) {
    const v = viewport();
    const { left, top } = v.canvas.getBoundingClientRect();
    return pointsMm.map(p => v.worldToCanvas(p)).map(([x, y]) => [x + left, y + top]);
  }

  function shown() {
    const v = viewport();
    const camera = v.getCamera();
    const { left, top, width, height } = v.canvas.getBoundingClientRect();
    return {
      kind: v.type,
      image: v.getCurrentImageId?.() ? sopOf(v.getCurrentImageId()) : null,
      focal_mm: asNumbers([camera.focalPoint])[0],
      normal: asNumbers([camera.viewPlaneNormal])[0],
      up: asNumbers([camera.viewUp])[0],
      canvas: [left, top, width, height],
    };
  }

  window.lantern = {
    displaySet,
    project,
    shown,
    still,
    clear,
    turnTo,
    drawn,
    image: () => (drawn() ? shown().image : null),
    ready(id) {
      const set = displaySets().find(s => s.displaySetInstanceUID === id);
      if (['SEG', 'RTSTRUCT'].includes(set.Modality)) {
        const there = window.cornerstoneTools.segmentation.state.getSegmentations().some(s => s.segmentationId === id);
        const on = service('segmentationService').getSegmentationRepresentations(service('viewportGridService').getActiveViewportId());
        return there && on.some(r => r.segmentationId === id);
      }
      const failed = document.body.innerText.includes('omething went wrong');
      if (set.Modality === 'SR') return set.isLoaded && (drawn() || failed);
      return drawn();
    },
    state: () => ({
      shown: viewport() ? shown() : null,
      segmentations: segmentations(),
      annotations: annotations(),
      reports: reports(),
      unsupported: displaySets().filter(s => s.unsupported).map(s => ({ modality: s.Modality, label: s.SeriesDescription })),
    }),
  };
})();
